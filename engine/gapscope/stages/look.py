"""The stage that looks at a sample of every dataset: can it be read, and which of its values are black and white?

It comes before the first image is embedded, so that what is plainly wrong is said within seconds.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow.compute as pc

from gapscope.compare.headline import describe_value_range
from gapscope.decode.children import decode_in_subprocess, look_in_subprocess
from gapscope.decode.value_range import UnclearRangeError, ValueSample, range_of, settle_ranges
from gapscope.errors import OptionError, SourceError
from gapscope.progress import Progress
from gapscope.settings import Preprocess, ValueRange, ValueRangeOption, parse_value_range
from gapscope.sources import Entry, Source
from gapscope.sources.rejects import Rejected
from gapscope.sources.vectors.dataset import has_images
from gapscope.stages.listing import SAMPLE, Listing
from gapscope.store.index import read_entries, read_index
from gapscope.store.run_store import RunStore

_READERS = 16
_GRAY = 128


def given_ranges(value_range: ValueRangeOption, sources: Mapping[str, Source]) -> dict[str, ValueRange]:
    """Return the ranges that a user gave by hand, by dataset.

    Raises:
        OptionError: an argument is no range, or is for no dataset.
    """
    by_name = dict(value_range) if isinstance(value_range, Mapping) else dict.fromkeys(sources, value_range)
    if isinstance(value_range, str) and "=" in value_range:
        name, _, text = value_range.partition("=")
        by_name = {name: text}
    for name in by_name:
        if name not in sources:
            raise OptionError(f"`value_range` names dataset {name}, and there are {', '.join(sources)}")
    parsed = {name: parse_value_range(text) for name, text in by_name.items()}
    return {name: each for name, each in parsed.items() if each is not None}


def look_at_samples(
    run: RunStore,
    sources: Mapping[str, Source],
    listings: Mapping[str, Listing],
    given: Mapping[str, ValueRange],
    progress: Progress,
    *,
    again: bool,
    allow_missing: bool,
) -> None:
    """Settle each dataset's ranges, and check that a sample of it can be read.

    Args:
        run: the run, whose record gets the ranges and is written.
        sources: the datasets.
        listings: what was seen of each dataset while it was listed.
        given: ranges by hand, by dataset.
        progress: gets a line on every range.
        again: whether datasets that have been looked at may have new images.
        allow_missing: whether to go on where no image of a sample can be read.

    Raises:
        SourceError: not one image of a sample can be read, or a dataset's values do not say which is black.
    """
    for name, source in sources.items():
        if not has_images(source):
            continue
        dataset = run.record.datasets[name]
        settled = dataset.value_ranges
        if settled is None or again:
            sample = listings[name].sample if settled is None else _new_images(run, name)
            seen = _look(source, sample, run.record.config.embed.preprocess)
            rejected = [look for look in seen if isinstance(look, Rejected)]
            needed = bool(run.record.config.embed.levels)
            if settled is None and sample and len(rejected) == len(sample) and needed and not allow_missing:
                raise SourceError(_unreadable(name, listings[name], rejected))
            samples = [look for look in seen if isinstance(look, ValueSample)]
            dataset.value_ranges = _settle(name, samples, given.get(name), settled or ())
            run.write_record()
        if run.record.config.mask and source.objects and dataset.background is None:
            dataset.background = _mean_color(source, listings[name].sample, run.record.preprocess(name))
            run.write_record()
        if dataset.background is not None:
            color = ", ".join(map(str, dataset.background))
            progress.note(f"{name}: outside of its polygon or mask, an object gets the mean color, {color}")
        for each in dataset.value_ranges or ():
            by_hand = f"; by hand: `value_range='{name}=LOW:HIGH'`" if each.kind else ""
            progress.note(f"{name}: {describe_value_range(each)}{by_hand}")


def _new_images(run: RunStore, dataset: str) -> list[Entry]:
    """Return some of the images that are not embedded yet, evenly spread."""
    status = read_index(run, dataset, ["status"])["status"]
    rows = np.flatnonzero(pc.equal(status, "listed").to_numpy())
    spread = np.linspace(0, len(rows) - 1, min(len(rows), SAMPLE)).astype(int)
    return read_entries(run, dataset, rows[np.unique(spread)])


def _look(source: Source, entries: Sequence[Entry], preprocess: Preprocess) -> list[ValueSample | Rejected | None]:
    def look(entry: Entry) -> ValueSample | Rejected | None:
        try:
            return look_in_subprocess(source.read(entry), preprocess)
        except Rejected as rejected:
            return rejected

    with ThreadPoolExecutor(_READERS) as pool:
        return list(pool.map(look, entries))


def _mean_color(source: Source, entries: Sequence[Entry], preprocess: Preprocess) -> tuple[int, int, int]:
    """Return the mean sRGB color of some objects with what is around them; gray where none can be read."""

    def mean(entry: Entry) -> tuple[float, float, float] | None:
        try:
            return decode_in_subprocess(source.read(entry), preprocess, entry.box).mean
        except Rejected:
            return None

    with ThreadPoolExecutor(_READERS) as pool:
        means = [each for each in pool.map(mean, entries) if each is not None]
    red, green, blue = np.rint(np.mean(means, axis=0)).astype(int).tolist() if means else (_GRAY,) * 3
    return red, green, blue


def _unreadable(name: str, listing: Listing, rejected: Sequence[Rejected]) -> str:
    sample = listing.sample
    status = Counter(each.status for each in rejected).most_common(1)[0][0]
    entry, example = next((entry, each) for entry, each in zip(sample, rejected, strict=True) if each.status == status)
    remedies = {
        "not-an-image": "gapscope reads what Pillow reads, and HEIC: convert others to PNG or TIFF",
        "too-large": "raise `max_pixels`",
    }
    tried = "" if len(sample) == listing.count else f"the {len(sample):,} that were tried of "
    return (
        f"dataset {name}: none of {tried}its {listing.count:,} images can be read; most are {status} "
        f"({entry.uri}: {example.error}); {remedies.get(status, 'check the files')}, or go on all "
        "the same: `allow_missing=True`"
    )


def _settle(
    name: str, samples: Sequence[ValueSample], given: ValueRange | None, settled: tuple[ValueRange, ...]
) -> tuple[ValueRange, ...]:
    if given is not None:
        return (given,)
    try:
        return (*settled, *settle_ranges(sample for sample in samples if range_of(sample.kind, settled) is None))
    except UnclearRangeError as error:
        raise SourceError(
            f"dataset {name}: {error}; give pictures, or name the values that are black and white: "
            f"`value_range='{name}=LOW:HIGH'`"
        ) from error
