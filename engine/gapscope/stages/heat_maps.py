"""The stage that makes heat maps: where in the pictures on the page something is that the reference lacks."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch.utils.flop_counter import FlopCounterMode

from gapscope.compare.sample import sample
from gapscope.device import Device, choose_device
from gapscope.errors import UserError, one_line
from gapscope.heat_maps.bank import Bank, fit_bank
from gapscope.heat_maps.squares import choose_squares, paste
from gapscope.progress import Progress, Task
from gapscope.pyramid.local_features import LocalFeatures
from gapscope.pyramid.models import is_at_hand
from gapscope.pyramid.network import load_pyramid
from gapscope.settings import EmbedSettings, HeatMaps
from gapscope.stages.pictures import Pixels, decode_rows
from gapscope.stages.resolve import embed_settings_of
from gapscope.store.datasets import Pair
from gapscope.store.gaps import Gap, read_gaps
from gapscope.store.groups import read_groups
from gapscope.store.heat_maps import Key, key_of, pack_map, read_heat_maps, write_heat_maps
from gapscope.store.manifests import read_manifest
from gapscope.store.neighbors import read_nearest
from gapscope.store.run_store import RunStore

_OUTLIERS = 24
"""First outliers of each ordered pair that have heat maps."""
_NEAREST = 1
"""Images of the reference that join the bank for each image that is held against it, so that a face is held against
faces; and for each image from which is learned what is usual, so that both are treated alike."""
_SHARE = 0.1
"""Of the run's time that heat maps may take, both as estimated."""
_USUAL, _MIN_USUAL = 24, 8
"""Random images of the reference from which a bank learns what is usual."""
_MAX_RANDOM = 300
_PIXELS_AT_ONCE = 32 * 224**2
"""Whole maps of more images would not fit into the memory of a small card."""
_TOO_MANY = "heat maps take a tenth of the run's time at most, and other images came first"

Maps = Mapping[str, NDArray[np.float32]]
Row = dict[str, object]


@dataclass(frozen=True)
class _Wanted:
    """An image that is to have heat maps, and the images of the reference that are near to it at a level."""

    pair: Pair
    row: int
    uri: str
    level: str
    nearest: Sequence[int] = ()

    @property
    def columns(self) -> Row:
        """What every row of the table says of the image."""
        return {"dataset": self.pair.query, "row": self.row, "uri": self.uri, "reference": self.pair.reference}

    @property
    def key(self) -> Key:
        return key_of(self.columns)


def make_heat_maps(
    run: RunStore, which: HeatMaps, progress: Progress, embed: EmbedSettings | None = None, device: Device | None = None
) -> None:
    """Make the heat maps of the page's pictures, and write them, unless all that are wanted have been made before.

    Args:
        run: the run, whose kinds and manifests are written.
        which: the images that have heat maps.
        progress: shows the work.
        embed: the run's network; as run.json has it by default.
        device: where it computes; the GPU by default where there is one.
    """
    wanted = list({image.key: image for image in _wanted(run, which)}.values())
    earlier = read_heat_maps(run).to_pylist()
    settled = {key_of(row) for row in earlier if row["reason"] in (None, _TOO_MANY)}
    if {image.key for image in wanted} <= settled:
        return
    wanted = _with_nearest(run, wanted)
    rows = _without_network(run, embed, wanted)
    if rows is None:
        rows = _make(run, wanted, embed or embed_settings_of(run), device or choose_device("auto"), progress)
    # What is out of reach today may have been in reach before.
    made = {key_of(row) for row in rows if row["reason"] is None}
    kept = [row for row in earlier if row["reason"] is None and key_of(row) not in made]
    again = {key_of(row) for row in kept}
    write_heat_maps(run.path, [*(row for row in rows if key_of(row) not in again), *kept])


def _wanted(run: RunStore, which: HeatMaps) -> Iterator[_Wanted]:
    """Yield what is to have heat maps, the first ones first: of every kind one, then of every kind a second."""
    if which == "off":
        return
    yield from _in_turn(_pictures(run, gap) for gap in read_gaps(run)["kinds"])
    if which == "all":
        yield from _in_turn(_outliers(run, pair) for pair in run.pairs)


def _in_turn(parts: Iterable[Iterable[_Wanted]]) -> Iterator[_Wanted]:
    """Yield the first of every part, then the second of every part that has one, and so on."""
    for turn in zip_longest(*parts):
        yield from (image for image in turn if image is not None)


def _pictures(run: RunStore, gap: Gap) -> Iterator[_Wanted]:
    """Yield the pictures of a kind, typical and diverse ones in turn, as the page shows about as many of both."""
    images = [
        _Wanted(Pair(gap["query"], gap["reference"]), picture["row"], picture["uri"], gap["level"])
        for picture in gap["pictures"]
    ]
    yield from _in_turn((images[: gap["typical"]], images[gap["typical"] :]))


def _outliers(run: RunStore, pair: Pair) -> Iterator[_Wanted]:
    """Yield the first outliers of an ordered pair, those that any list has first before those that any has second."""
    best: dict[int, tuple[int, str, str]] = {}
    for reading in run.record.config.compare.listed_readings:
        for level in run.levels:
            columns = ["row", "rank", "uri", *(["listed"] if reading == "style-aside" else [])]
            table = read_manifest(run.path, level, pair, columns, reading).to_pandas().head(_OUTLIERS)
            if reading == "style-aside":
                table = table[table["listed"].astype(bool)]
            for row, rank, uri in zip(
                table["row"].tolist(), table["rank"].tolist(), table["uri"].tolist(), strict=True
            ):
                best[row] = min(best.get(row, (rank, level, uri)), (rank, level, uri))
    for row, (_, level, uri) in sorted(best.items(), key=lambda item: (item[1][0], item[0]))[:_OUTLIERS]:
        yield _Wanted(pair, row, uri, level)


def _with_nearest(run: RunStore, wanted: Sequence[_Wanted]) -> list[_Wanted]:
    """Return the images with what is near to them, which is read once for all that are in one place."""
    nearest: dict[Key, list[int]] = {}
    for pair, level in dict.fromkeys((image.pair, image.level) for image in wanted):
        images = [image for image in wanted if (image.pair, image.level) == (pair, level)]
        found = _nearest(run, pair, level, [image.row for image in images])
        nearest |= {image.key: near for image, near in zip(images, found, strict=True)}
    return [replace(image, nearest=nearest[image.key]) for image in wanted]


def _nearest(run: RunStore, pair: Pair, level: str, rows: Sequence[int]) -> list[list[int]]:
    found = read_nearest(run, level, pair, np.array(rows, np.int64), _NEAREST)[1].tolist()
    return [[row for row in near if row >= 0] for near in found]


def _without_network(run: RunStore, embed: EmbedSettings | None, wanted: Sequence[_Wanted]) -> list[Row] | None:
    """Return what says why nothing has heat maps; None where the run's network is at hand."""
    model = run.record.model
    if not model.weights_sha256:
        reason = "the vectors are not of a network that gapscope has"
    elif not model.weights:
        if is_at_hand(model.name, model.weights_sha256):
            return None
        reason = f"model {model.name} is one of a Python program, which alone has it"
    else:
        path = Path((embed or embed_settings_of(run)).weights)
        if path.is_file():
            return None
        reason = f"the network's weights are out of reach: {path}"
    return [_no_map(image, reason) for image in wanted]


def _no_map(image: _Wanted, reason: str) -> Row:
    return {**image.columns, "reason": reason}


def _make(
    run: RunStore, wanted: Sequence[_Wanted], embed: EmbedSettings, device: Device, progress: Progress
) -> list[Row]:
    try:
        network = _Network(embed, device)
    except UserError as error:
        return [_no_map(image, one_line(error)) for image in wanted]
    rows: list[Row] = []
    references = list(dict.fromkeys(image.pair.reference for image in wanted))
    images = run.record.embedded
    seconds = _Seconds.of(network.flops())
    allowed = _SHARE * seconds.of_run(images) / len(references)
    plans = [
        _plan(run, reference, [image for image in wanted if image.pair.reference == reference], allowed, seconds)
        for reference in references
    ]
    with progress.task("heat-maps", sum(plan.images for plan in plans), "image") as task:
        for plan in plans:
            try:
                rows += _of_reference(run, plan, network, task)
            except (MemoryError, RuntimeError) as error:
                # A page without heat maps is better than none, such as where a card has no memory left.
                rows += [_no_map(image, one_line(error)) for image in (*plan.chosen, *plan.left)]
    return rows


@dataclass(frozen=True)
class _Seconds:
    """Estimated seconds on two cores.

    They follow from the network and the number of images, and not from a clock, so that a run that is resumed has the
    heat maps of one that was not stopped.

    Attributes:
        network: of one image through the network.
        decode: of one image, read and decoded.
        compare: of one image, held against a bank on all levels.
        rest: of one image in the run, but for network and decoding.
        start: of the run, however few the images.
    """

    network: float
    decode: float = 0.005
    compare: float = 0.018
    rest: float = 0.012
    start: float = 18.0

    @classmethod
    def of(cls, flops: int) -> "_Seconds":
        return cls(flops / 1e11)

    def of_run(self, images: int) -> float:
        return self.start + images * (self.network + self.decode + self.rest)

    @property
    def image(self) -> float:
        return self.network + self.decode

    @property
    def usual(self) -> float:
        """Of an image from which is learned what is usual, and of one near to it."""
        # It is compared as it is, and with a square.
        return 2 * self.image + self.network + 2 * self.compare

    @property
    def wanted(self) -> float:
        return self.image + self.compare


@dataclass(frozen=True, eq=False)
class _Plan:
    """What is decoded of a reference, and what is held against it.

    Attributes:
        reference: the dataset's name.
        usual: (u,) rows of it, drawn at random, from which is learned what is usual.
        others: (m,) rows of it that are in the bank besides: near to images held against it, or random ones.
        chosen: the images that are held against it.
        left: those for which there is no time.
    """

    reference: str
    usual: NDArray[np.int64]
    others: NDArray[np.int64]
    chosen: Sequence[_Wanted]
    left: Sequence[_Wanted]

    @property
    def images(self) -> int:
        return len(self.usual) + len(self.others) + len(self.chosen)


def _plan(run: RunStore, reference: str, wanted: Sequence[_Wanted], allowed: float, seconds: _Seconds) -> _Plan:
    """Return what can be done in the `allowed` seconds; what is little is done in any case."""
    groups = read_groups(run, reference)
    rows = groups.rows[groups.representative]
    random = np.random.default_rng(0).permutation(sample(rows, _MAX_RANDOM)).tolist()
    # Half of the time at most goes to what is usual, and the pictures come before more of the reference.
    usual = random[: int(np.clip(allowed / 2 / seconds.usual, _MIN_USUAL, _USUAL))]
    near_usual = _nearest(run, Pair(reference, reference), wanted[0].level, usual)
    bank = dict.fromkeys([*usual, *(row for near in near_usual for row in near)])
    left, chosen = allowed - len(usual) * seconds.usual, 0
    for image in wanted:
        new = [row for row in image.nearest if row not in bank]
        left -= seconds.wanted + len(new) * seconds.image
        if left < 0 and chosen >= _MIN_USUAL:
            break
        chosen += 1
        bank |= dict.fromkeys(new)
    more = [row for row in random if row not in bank][: max(int(left / seconds.image), 0)]
    others = sorted({*bank, *more} - {*usual})
    return _Plan(reference, np.array(usual, np.int64), np.array(others, np.int64), wanted[:chosen], wanted[chosen:])


class _Network:
    """The run's network, up to its maps, on a device."""

    def __init__(self, embed: EmbedSettings, device: Device) -> None:
        # Compiling would take longer than these few images.
        speedups = tuple(name for name in embed.speedups if name not in ("auto", "compile"))
        pyramid = load_pyramid(replace(embed, speedups=speedups))
        self.device, self.preprocess = device, embed.preprocess
        self._precision = embed.precision
        self._network = device.prepare_network(LocalFeatures(pyramid), speedups)

    def flops(self) -> int:
        """Return the floating-point operations of one image."""
        with FlopCounterMode(display=False) as counter:
            self.local_features(np.zeros((1, self.preprocess.size, self.preprocess.size, 3), np.uint8))
        return int(counter.get_total_flops())

    def local_features(self, pixels: NDArray[np.uint8]) -> Maps:
        """Return (n, channels, h, w) by level for (n, size, size, 3) pixels."""
        batch = max(1, min(self.device.batch_images, _PIXELS_AT_ONCE // self.preprocess.size**2))
        parts = [
            self.device.embed(self._network, pixels[start : start + batch], self._precision)()
            for start in range(0, len(pixels), batch)
        ]
        return {level: np.concatenate([part[level] for part in parts]) for level in parts[0]}


def _of_reference(run: RunStore, plan: _Plan, network: _Network, task: Task) -> list[Row]:
    def decode(dataset: str, rows: NDArray[np.int64]) -> tuple[dict[int, Pixels], dict[int, str]]:
        decoded = decode_rows(run, dataset, rows, network.device, network.preprocess)
        task.advance(len(rows), rejected=len(decoded.reasons))
        return dict(decoded.pixels), dict(decoded.reasons)

    usual, unread = decode(plan.reference, plan.usual)
    banks: dict[str, Bank] = {}
    if len(usual) < _MIN_USUAL:
        why = next(iter(unread.values()), f"it has {len(plan.usual)}")
        reason = f"fewer than {_MIN_USUAL} images of {plan.reference} can be read: {why}"
    else:
        others, _ = decode(plan.reference, plan.others)
        banks = _fit(network, [*usual.values()], [*others.values()])
        reason = "the network's maps are too coarse to point at a place"
    rows = [_no_map(image, _TOO_MANY) for image in plan.left]
    if not banks:
        return [*(_no_map(image, reason) for image in plan.chosen), *rows]
    for query in dict.fromkeys(image.pair.query for image in plan.chosen):
        images = [image for image in plan.chosen if image.pair.query == query]
        numbers = np.array([image.row for image in images], np.int64)
        pixels, reasons = decode(query, numbers)
        rows += [_no_map(image, reasons[image.row]) for image in images if image.row in reasons]
        found = [image for image in images if image.row in pixels]
        rows += _held_against(banks, found, [pixels[image.row] for image in found], network)
    return rows


def _fit(network: _Network, usual: Sequence[Pixels], others: Sequence[Pixels]) -> dict[str, Bank]:
    pixels = np.stack([*usual, *others])
    squares = choose_squares(len(pixels), len(usual), network.preprocess.size)
    features = network.local_features(pixels)
    pasted = network.local_features(paste(pixels, squares))
    return {level: fit_bank(maps, pasted[level], squares, network.preprocess.size) for level, maps in features.items()}


def _held_against(
    banks: Mapping[str, Bank],
    images: Sequence[_Wanted],
    pixels: Sequence[Pixels],
    network: _Network,
) -> list[Row]:
    if not images:
        return []
    rows: list[Row] = []
    features = network.local_features(np.stack(pixels))
    for level, bank in banks.items():
        heat_maps = bank.heat_maps(features[level])
        for image, heat_map, focus in zip(images, heat_maps, bank.focus_of(heat_maps).tolist(), strict=True):
            rows.append(
                {
                    **image.columns,
                    "level": level,
                    "pointing": bank.pointing,
                    "focus": focus,
                    "map": pack_map(heat_map),
                    "reason": None,
                }
            )
    return rows
