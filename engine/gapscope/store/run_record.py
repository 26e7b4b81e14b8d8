"""run.json: what defines a run. It is written first, and every later command on the run must agree with it."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import msgspec

from gapscope.errors import DamageError, OptionError, RunError, one_line
from gapscope.settings import (
    CompareSettings,
    EmbedSettings,
    Fit,
    LayoutSettings,
    NeighborSettings,
    Pool,
    Precision,
    Preprocess,
    Reading,
    ReportSettings,
    ValueRange,
    check_dataset_name,
)
from gapscope.store.atomic import sweep, write_json
from gapscope.store.datasets import Graph, Pair, concatenated_slices, ordered_pairs
from gapscope.store.links import check_no_escaping_links
from gapscope.store.location import Location, make_folder, reason_of
from gapscope.store.lock import NAME as LOCK

FORMAT = 4
"""Version of the run's layout on disk."""

NAME = "run.json"

_LEVEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
_MAX_ROWS = 2**40
_MAX_BLOCK_ROWS = 2**20


@dataclass(frozen=True, kw_only=True)
class EmbedConfig:
    """How the run's images become embeddings, as the user asked for it.

    It is `EmbedSettings` without the path of the weights file, which may change between two commands while the file's
    content, and so its SHA-256, may not.
    """

    model: str
    weights_sha256: str
    levels: tuple[str, ...]
    pool: Pool
    precision: Precision
    speedups: tuple[str, ...]
    size: int
    fit: Fit
    max_pixels: int
    keep_damaged: bool = False

    @classmethod
    def of(cls, settings: EmbedSettings) -> "EmbedConfig":
        """Return the config of some settings."""
        preprocess = settings.preprocess
        return cls(
            model=settings.model,
            weights_sha256=settings.weights_sha256,
            levels=settings.levels,
            pool=settings.pool,
            precision=settings.precision,
            speedups=settings.speedups,
            size=preprocess.size,
            fit=preprocess.fit,
            max_pixels=preprocess.max_pixels,
            keep_damaged=preprocess.keep_damaged,
        )

    @property
    def preprocess(self) -> Preprocess:
        """How an image becomes the square that the network sees, but for the ranges of each dataset's values."""
        return Preprocess(size=self.size, fit=self.fit, max_pixels=self.max_pixels, keep_damaged=self.keep_damaged)


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """What defines a run: the same command makes the same config.

    Attributes:
        datasets: source by name, in the order in which they were given.
        objects: whether the rows are the annotated objects, not whole images.
        mask: whether the background of these is taken away.
        min_side: shortest side of their boxes, in pixels.
        group: per dataset, how its groups are found, in the words of `--group`; `values` and a digest for one value per
            image.
        classes: per dataset, what its classes come from, in the words of `--classes`. Another rule does not make
            another run.
        value_range: of the datasets that have one by hand, `LOW:HIGH`.
        vectors: where the vectors are that datasets bring, per dataset and level that is compared.
        embed: how images become embeddings; it has no levels where all that is compared was brought.
        neighbors: how distances are measured.
        layout: how the maps are made.
        compare: how datasets are compared.
    """

    datasets: dict[str, str]
    objects: bool = False
    mask: bool = False
    min_side: int = 0
    group: dict[str, str] = field(default_factory=dict)
    classes: dict[str, str] = field(default_factory=dict)
    value_range: dict[str, str] = field(default_factory=dict)
    vectors: dict[str, dict[str, str]] = field(default_factory=dict)
    embed: EmbedConfig
    neighbors: NeighborSettings = field(default_factory=NeighborSettings)
    layout: LayoutSettings = field(default_factory=LayoutSettings)
    compare: CompareSettings = field(default_factory=CompareSettings)


@dataclass(frozen=True, kw_only=True)
class LevelRecord:
    """A level: its name, the channels of its map, and its stride in pixels, 0 where vectors of no known one come in."""

    name: str
    stride: int
    channels: int


@dataclass(kw_only=True)
class ModelRecord:
    """The network that the run embeds with.

    Attributes:
        name: the model's name.
        weights: path of the weights file when the run was begun.
        weights_sha256: SHA-256 of that file.
        levels: the levels that are compared, fine to coarse; those that datasets bring, of no known stride, come last.
        mean: of each sRGB channel in 0..1, which is subtracted from the input.
        std: of each channel, which the input is divided by.
        precision: the arithmetic that the run computes with; None until it is chosen, after listing.
        speedups: the speedups that the run uses; None likewise.
        pooling: in words, how a level's map becomes an embedding; None likewise.
    """

    name: str
    weights: str
    weights_sha256: str
    levels: tuple[LevelRecord, ...]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    precision: Precision | None = None
    speedups: tuple[str, ...] | None = None
    pooling: str | None = None


@dataclass(frozen=True, kw_only=True)
class GroupRecord:
    """The groups of a dataset's embedded images.

    Attributes:
        rule: what they come from: `none`, `folder`, `tar`, `column:NAME`, `pattern:REGEX`, `values`, `objects` or
            `bursts`.
        unit: what one group is called, such as `clip`.
        count: how many there are.
        typical: median of their numbers of images.
        longest: images in the largest one.
    """

    rule: str
    unit: str
    count: int
    typical: int
    longest: int


@dataclass(kw_only=True)
class DatasetRecord:
    """How many images a dataset has.

    Attributes:
        listed: rows of its index.
        digest: digest of the listing, by which a changed source is noticed.
        listing: in words, what was taken, what was passed over and what was taken for granted.
        annotations: rows of its table of annotations; None if it has no annotations.
        vectors: a text that differs where the vectors do that it brings; empty if it brings none.
        value_ranges: which values are black and white, of images with other than 8 bits; None until that is settled.
        background: mean sRGB color of a sample, which is behind objects whose background is taken away; None elsewhere.
        read: images that were embedded; None until all were tried.
        rejected: images that could not be; None likewise.
        groups: which images belong together; None until that is known.
    """

    listed: int
    digest: str = ""
    listing: str = ""
    annotations: int | None = None
    vectors: str = ""
    value_ranges: tuple[ValueRange, ...] | None = None
    background: tuple[int, int, int] | None = None
    read: int | None = None
    rejected: int | None = None
    groups: GroupRecord | None = None


@dataclass(frozen=True, kw_only=True)
class ScalerRecord:
    """Mean and standard deviation of every dimension of a level, over all datasets of the run."""

    mean: list[float]
    std: list[float]


@dataclass(frozen=True, kw_only=True)
class StyleScalerRecord(ScalerRecord):
    """Mean and standard deviation of every dimension of a level, over one dataset.

    Attributes:
        trimmed: whether the images that lie farthest from all other datasets were left out.
    """

    trimmed: bool


@dataclass(frozen=True, kw_only=True)
class Timing:
    """How long a piece of work took: seconds, and how many units of what were done."""

    seconds: float
    done: int
    unit: str


@dataclass(kw_only=True)
class RunRecord:
    """The content of run.json.

    Attributes:
        config: what defines the run.
        model: the network.
        versions: gapscope and the libraries that numbers depend on.
        device: what the run was last computed on, such as `CPU, 2 cores`.
        created: time of the first command, ISO 8601.
        datasets: per dataset, how many images it has; empty until it is listed.
        block_rows: rows per block, 0 until the datasets are listed.
        scaler: per level, by what its embeddings are standardized; empty until all are embedded.
        style_scaler: per level and dataset, by what its embeddings are standardized in the reading style aside; empty
            until all are embedded, or without that reading.
        grouped_pairs: names of the ordered pairs, a dataset with itself included, whose nearest groups are not the
            nearest images.
        shared_groups: per two datasets of a pair, how many groups both have.
        attached: per dataset, the sources of vectors that were given beside its images.
        allow_missing: whether the last command went on where images were missing.
        report: what the page shows, as the last command wrote it.
        times: per piece of work that the last command on the run did, how long it took.
    """

    config: RunConfig
    model: ModelRecord
    versions: dict[str, str]
    device: str = ""
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    datasets: dict[str, DatasetRecord] = field(default_factory=dict)
    block_rows: int = 0
    scaler: dict[str, ScalerRecord] = field(default_factory=dict)
    style_scaler: dict[str, dict[str, StyleScalerRecord]] = field(default_factory=dict)
    grouped_pairs: list[str] = field(default_factory=list)
    shared_groups: dict[str, int] = field(default_factory=dict)
    attached: dict[str, list[str]] = field(default_factory=dict)
    allow_missing: bool = False
    report: ReportSettings = field(default_factory=ReportSettings)
    times: dict[str, Timing] = field(default_factory=dict)

    @classmethod
    def of_embeddings(
        cls, rows: Mapping[str, int], channels: Mapping[str, int], *, block_rows: int, **config: Any
    ) -> "RunRecord":
        """Return the record of a run whose embeddings do not come from images: of measurements and tests.

        Args:
            rows: rows per dataset, which all count as read.
            channels: the embedding's length per level.
            block_rows: rows per block.
            config: more of `RunConfig`, such as `neighbors`.

        Example:
            >>> RunRecord.of_embeddings({"a": 40, "b": 20}, {"P5": 8}, block_rows=32).blocks("a")
            2
        """
        levels = tuple(channels)
        embed = EmbedConfig(
            model="none",
            weights_sha256="",
            levels=levels,
            pool="mean",
            precision="float32",
            speedups=(),
            size=64,
            fit="crop",
            max_pixels=1,
        )
        return cls(
            config=RunConfig(datasets=dict.fromkeys(rows, ""), embed=embed, **config),
            model=ModelRecord(
                name="none",
                weights="",
                weights_sha256="",
                levels=tuple(LevelRecord(name=name, stride=1, channels=length) for name, length in channels.items()),
                mean=(0.0, 0.0, 0.0),
                std=(1.0, 1.0, 1.0),
            ),
            versions={},
            datasets={name: DatasetRecord(listed=count, read=count, rejected=0) for name, count in rows.items()},
            block_rows=block_rows,
        )

    def embed_settings(self) -> EmbedSettings:
        """Return how the run's images became embeddings, with the weights file that the run was begun with."""
        config, model = self.config.embed, self.model
        return EmbedSettings(
            model=config.model,
            weights=model.weights,
            weights_sha256=config.weights_sha256,
            levels=config.levels,
            preprocess=config.preprocess,
            pool=config.pool,
            precision=model.precision or config.precision,
            speedups=config.speedups if model.speedups is None else model.speedups,
        )

    def preprocess(self, dataset: str) -> Preprocess:
        """Return how an image of a dataset becomes the square that the network sees."""
        return self.with_ranges(self.config.embed.preprocess, dataset)

    def with_ranges(self, preprocess: Preprocess, dataset: str) -> Preprocess:
        """Return a way to decode images, such as that of another network, with a dataset's ranges and background."""
        own = self.datasets.get(dataset)
        if own is None:
            return replace(preprocess, value_ranges=None, background=None)
        return replace(preprocess, value_ranges=own.value_ranges, background=own.background)

    @property
    def levels(self) -> tuple[str, ...]:
        """The levels' names, fine to coarse."""
        return tuple(level.name for level in self.model.levels)

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """Every ordered pair of datasets that is compared."""
        return ordered_pairs(list(self.config.datasets), self.config.compare.reference)

    @property
    def style_aside_pairs(self) -> tuple[Pair, ...]:
        """Every ordered pair whose neighbors are found style aside: those that are compared, and their own images."""
        if not self.config.compare.reads("style-aside"):
            return ()
        return tuple(sorted({*self.pairs, *(Pair(name, name) for pair in self.pairs for name in pair)}))

    @property
    def listed(self) -> int:
        """How many rows all datasets have together."""
        return sum(dataset.listed for dataset in self.datasets.values())

    @property
    def embedded(self) -> int:
        """How many images of all datasets together were embedded."""
        return sum(dataset.read or 0 for dataset in self.datasets.values())

    @property
    def row_slices(self) -> dict[str, slice]:
        """Where each dataset's rows lie in an array of all rows, such as a layout's."""
        return concatenated_slices({name: dataset.listed for name, dataset in self.datasets.items()})

    def graph(self, pair: Pair, reading: Reading = "as-is") -> Graph:
        """Return which neighbors are the nearest groups of a pair's images: the nearest images, or others."""
        if reading == "style-aside":
            return "style-aside"
        return "groups" if pair.name in self.grouped_pairs else "images"

    def describe_count(self, dataset: str, images: int, groups: int) -> str:
        """Return how many images of a dataset there are, and in how many groups where these are fewer.

        Example:
            >>> record = RunRecord.of_embeddings({"a": 600}, {"P5": 8}, block_rows=1024)
            >>> record.describe_count("a", 600, 600)
            '600 images'
            >>> record.datasets["a"].groups = GroupRecord(rule="bursts", unit="clip", count=20, typical=30, longest=30)
            >>> record.describe_count("a", 600, 20)
            '600 images in 20 clips'
        """
        text = _count(images, self.row_unit(dataset))
        return f"{text} in {_count(groups, self.group_unit(dataset))}" if self.has_groups(dataset) else text

    def row_unit(self, dataset: str) -> str:
        """Return what a row of a dataset is called: `image`, or `object` where the objects of images are compared."""
        own = self.datasets[dataset].groups
        return "object" if own is not None and own.rule == "objects" else "image"

    def group_unit(self, dataset: str) -> str:
        """Return what counts as one in a dataset: `image`, or `clip` and so on where images belong together."""
        own = self.datasets[dataset].groups
        return own.unit if own is not None and self.has_groups(dataset) else "image"

    def has_groups(self, dataset: str) -> bool:
        """Return whether images of a dataset are known to belong together, so that not each counts."""
        own = self.datasets[dataset].groups
        return own is not None and own.longest > 1

    def group_count(self, dataset: str) -> int:
        """Return how many groups a dataset's embedded images form; each image is one where nothing else is known."""
        record = self.datasets[dataset]
        return record.groups.count if record.groups is not None else record.read or 0

    def blocks(self, dataset: str) -> int:
        """Return how many blocks a dataset has."""
        return -(-self.datasets[dataset].listed // self.block_rows)

    def write(self, run: Location) -> None:
        """Write run.json into folder `run`."""
        write_json(run / NAME, {"format": FORMAT, **msgspec.to_builtins(self)})


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def read_run_record(run: Location) -> RunRecord:
    """Read run.json.

    Raises:
        RunError: the folder is no run, another version of gapscope wrote it, or something in the folder leads out of
            it.
        DamageError: run.json is damaged.
    """
    return _read(run)[0]


def _read(run: Location) -> tuple[RunRecord, dict[str, Any]]:
    """Return the record, and the config as run.json has it, with options that only another release knows."""
    path = run / NAME
    check_no_escaping_links(run)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        written_as = content.pop("format")
        if written_as != FORMAT:
            raise RunError(_of_another_version(path, written_as, content))
        return _checked(msgspec.convert(content, RunRecord)), content["config"]
    except FileNotFoundError:
        raise RunError(f"{run} is not a gapscope run: it holds no {NAME}") from None
    except OSError as error:
        raise RunError(f"{path} cannot be read: {reason_of(error)}") from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OptionError) as error:
        raise DamageError(f"{path} is damaged ({one_line(error)}): use another `out`, or remove the folder") from error


def _of_another_version(path: Location, written_as: Any, content: dict[str, Any]) -> str:
    theirs, ours = dict(content.get("versions") or {}).get("gapscope", "another version"), version("gapscope")
    newer = isinstance(written_as, int) and written_as > FORMAT
    way_out = (
        f"update to {theirs} or newer, or use another `out`"
        if newer
        else f"look at it with {theirs}, or compare again into another `out`"
    )
    return (
        f"{path} has format {written_as}, of gapscope {theirs}; this is gapscope {ours}, which reads format {FORMAT}: "
        f"{way_out}"
    )


def _checked(record: RunRecord) -> RunRecord:
    """Check what becomes part of a path, and what memory is allocated by: a run may come from somebody else."""
    names = record.config.datasets
    for name in [*names, *record.datasets]:
        check_dataset_name(name)
    for level in record.levels:
        if not _LEVEL.fullmatch(level):
            raise ValueError(f"{level!r} is no level's name")
    for level in [*record.config.embed.levels, *(level for own in record.config.vectors.values() for level in own)]:
        if level not in record.levels:
            raise ValueError(f"{level!r} is none of the levels")
    if record.config.compare.reference not in (None, *names):
        raise ValueError("the reference is none of the datasets")
    for name, dataset in record.datasets.items():
        if not 0 <= dataset.listed <= _MAX_ROWS:
            raise ValueError(f"dataset {name} cannot have {dataset.listed} images")
    if not 0 <= record.block_rows <= _MAX_BLOCK_ROWS:
        raise ValueError(f"a block cannot have {record.block_rows} rows")
    return record


def open_or_create(run: Location, record: RunRecord) -> RunRecord:
    """Make folder `run` a run that `record` describes, or open it if it is that run already.

    Raises:
        RunError: the folder holds something else, or a run that was made with another config.
    """
    if (run / NAME).exists():
        existing, config = _read(run)
        # Nothing depends on the groups yet: a rule that was refused must not stick to the run.
        is_open = not existing.scaler and existing.config.datasets == record.config.datasets
        if is_open:
            config["group"] = dict(record.config.group)
        config["classes"] = dict(record.config.classes)
        if all(dataset.value_ranges is None for dataset in existing.datasets.values()):
            config["value_range"] = dict(record.config.value_range)
        _check_same(run, config, record.config)
        sweep(run)
        # The datasets stay in the order in which the run has them.
        wanted = replace(record.config, datasets=existing.config.datasets)
        if existing.config != wanted:
            existing.config = wanted
            existing.write(run)
        return existing
    check_empty(run)
    try:
        make_folder(run)
        record.write(run)
    except (OSError, NotImplementedError) as error:
        raise RunError(f"{run} cannot be written: {reason_of(error)}") from error
    return record


def check_empty(run: Location) -> None:
    """Check that folder `run` is a run already, or can become one.

    Raises:
        RunError: it holds something else, cannot be read, or is a run with something in it that leads out of it.
    """
    check_no_escaping_links(run)
    try:
        if (run / NAME).exists():
            return
        others = [path for path in run.iterdir() if not _left_by_first_command(path)] if run.is_dir() else []
        if others or (run.exists() and not run.is_dir()):
            raise RunError(f"{run} is not a gapscope run and not empty: give a new or empty folder as `out`")
    except (OSError, NotImplementedError) as error:
        raise RunError(f"{run} cannot be read: {reason_of(error)}") from error


def _left_by_first_command(path: Location) -> bool:
    # A first command that was killed may have left no more than its lock and half-written files.
    return path.name == LOCK or any(path.match(f".{name}.*.partial") for name in (NAME, LOCK))


def check_same_config(run: Location, wanted: RunConfig) -> None:
    """Check that a run's config is the one that a command wants, without options that only another release knows.

    Raises:
        RunError: they differ; the message says in what.
    """
    _check_same(run, _read(run)[1], wanted)


def _check_same(run: Location, existing: dict[str, Any], wanted: RunConfig) -> None:
    # As run.json would have it: with lists, and no tuples.
    if differences := _differences(existing, json.loads(msgspec.json.encode(wanted))):
        names = set(existing["datasets"]) ^ set(wanted.datasets)
        # A dataset that is added or dropped has a rule for its groups, and perhaps a range, too.
        implied = tuple(
            f"{what}.{name}{end}"
            for what, end in (("group", " "), ("value_range", " "), ("vectors", "."))
            for name in names
        )
        differences = [text for text in differences if not text.startswith(implied)]
        of_names = tuple(f"datasets.{name} " for name in names)
        others = [text for text in differences if not text.startswith(of_names)]
        more = ", or `update=True` to add and drop datasets" if names and not others else ""
        raise RunError(f"{run} holds a different run: {'; '.join(differences)}. Use another `out`{more}")


def _differences(existing: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    old, new = dict(_flat(existing)), dict(_flat(wanted))
    names = list(old) + [name for name in new if name not in old]
    return [
        f"{name} was {_shown(old.get(name))}, now {_shown(new.get(name))}"
        for name in names
        if old.get(name) != new.get(name)
    ]


def _flat(config: dict[str, Any]) -> list[tuple[str, Any]]:
    flat = []
    for name, value in config.items():
        if isinstance(value, dict):
            flat += [(f"{name}.{inner}", deeper) for inner, deeper in _flat(value)]
        else:
            flat.append((name, value))
    return flat


def _shown(value: Any) -> str:
    if value is None:
        return "not there"
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
