"""The stage that lists every dataset's images into its index, and checks that a listed dataset stays the same."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from gapscope.errors import RunError, SourceError
from gapscope.progress import Progress, Task
from gapscope.sources import Entry, Source
from gapscope.sources.formats import has_image_suffix
from gapscope.sources.notes import ListingNotes
from gapscope.sources.rejects import Status
from gapscope.sources.source import without_prefix
from gapscope.sources.vectors.dataset import has_images
from gapscope.store.annotations import writing_annotations
from gapscope.store.changes import find_changes
from gapscope.store.index import GROUP_ROWS, index_path, listing_digest, write_index
from gapscope.store.run_record import DatasetRecord
from gapscope.store.run_store import RunStore
from gapscope.store.update import update_index

_BLOCKS = 64
_MIN_BLOCK_ROWS = 32
SAMPLE = 32
"""Of each suffix, so many images to twice as many are kept to be looked at; all where there are fewer."""

_MAX_SUFFIX = 6
_SHOWN_SUFFIXES = 5
_MISSING_SHARE = 0.5
_SHOWN_CHARS = 240


def check_not_empty(name: str, source: Source) -> None:
    """Check that a dataset has a first image.

    Raises:
        SourceError: there is none, or the source cannot be listed.
    """
    notes = ListingNotes()
    try:
        first = next(iter(source.entries(notes)), None)
    except SourceError as error:
        raise SourceError(f"dataset {name}: {error}") from error
    if first is None:
        passed_over = f"; {notes.describe()}" if notes.describe() else ""
        location = without_prefix(source.location)
        if location == source.folder:
            others = (
                f"; convert images of other formats; '{source.folder}/**' takes files whatever their names; a list, "
                "table or array is given by its own name"
            )
            raise SourceError(
                f"dataset {name}: no file in {location} has an image's name (.jpg, .png, ...){passed_over}"
                f"{others if notes.suffixes else ''}"
            )
        raise SourceError(f"dataset {name}: there are no images in {location}{passed_over}")


@dataclass
class _EvenSample:
    """Some of the entries that were added, evenly spread over all of them."""

    added: int = 0
    kept: list[Entry] = field(default_factory=list)
    step: int = 1
    readable: int = 0

    def add(self, entry: Entry) -> None:
        self.added += 1
        if entry.status != "listed":
            return
        if self.readable % self.step == 0:
            self.kept.append(entry)
            if len(self.kept) > 2 * SAMPLE:
                del self.kept[1::2]
                self.step *= 2
        self.readable += 1


@dataclass
class Listing:
    """What was seen of a dataset while it was listed.

    Attributes:
        notes: what the source passed over and took for granted.
        rejected: how many entries cannot be read, by status, with the first as an example.
    """

    notes: ListingNotes = field(default_factory=ListingNotes)
    rejected: dict[Status, tuple[int, Entry]] = field(default_factory=dict)
    _by_suffix: dict[str, _EvenSample] = field(default_factory=dict)
    _spelled: dict[str, _EvenSample] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many entries there are."""
        return sum(sample.added for sample in self._by_suffix.values())

    @property
    def readable(self) -> int:
        """How many entries can be read, as far as listing them tells."""
        return sum(sample.readable for sample in self._by_suffix.values())

    @property
    def sample(self) -> list[Entry]:
        """Some entries of every suffix, evenly spread, in the order in which they were listed."""
        return [entry for sample in self._by_suffix.values() for entry in sample.kept]

    def over(self, entries: Iterator[Entry], task: Task) -> Iterator[Entry]:
        """Yield entries, and see them."""
        for entry in entries:
            task.advance(1)
            uri = entry.uri
            dot = uri.rfind(".")
            spelled = uri[dot:] if 0 < dot >= len(uri) - _MAX_SUFFIX else ""
            sample = self._spelled.get(spelled)
            if sample is None:
                sample = self._new_suffix(spelled)
            sample.add(entry)
            if entry.status != "listed":
                count, first = self.rejected.get(entry.status, (0, entry))
                self.rejected[entry.status] = (count + 1, first)
            yield entry

    def _new_suffix(self, spelled: str) -> _EvenSample:
        # Whatever else follows a dot, such as the number of a row, is no suffix; there may be any number of these.
        suffix = spelled.lower() if has_image_suffix(spelled) else ""
        sample = self._by_suffix.setdefault(suffix, _EvenSample())
        if suffix or not spelled:
            self._spelled[spelled] = sample
        return sample

    def describe(self, source: Source) -> str:
        """Return in one line what was taken, what was passed over and what was taken for granted."""
        unit = "object" if source.objects else "image"
        suffixes = sorted(
            ((each.added, suffix) for suffix, each in self._by_suffix.items() if suffix),
            key=lambda item: (-item[0], item[1]),
        )
        shown = [f"{suffix} {count:,}" for count, suffix in suffixes[:_SHOWN_SUFFIXES]]
        if more := sum(count for count, _ in suffixes[_SHOWN_SUFFIXES:]):
            shown.append(f"others {more:,}")
        formats = f" ({', '.join(shown)})" if shown else ""
        parts = [f"{self.count:,} {unit}{'' if self.count == 1 else 's'}{formats} {source.origin}"]
        if self.rejected:
            parts.append(f"not readable: {self.describe_rejected()}")
        if notes := self.notes.describe():
            parts.append(notes)
        return "; ".join(parts)

    def describe_rejected(self) -> str:
        """Return how many entries cannot be read and why, the commonest reason first, with an example of it."""
        by_count = sorted(self.rejected.items(), key=lambda item: -item[1][0])
        first = by_count[0][1][1]
        counts = ", ".join(f"{count:,} {status}" for status, (count, _) in by_count)
        return f"{counts} ({_shortened(first.uri)}: {_shortened(first.error)})"


def list_datasets(
    run: RunStore, sources: Mapping[str, Source], progress: Progress, *, update: bool
) -> dict[str, Listing]:
    """List every dataset that is not listed yet, and check that the others still list the same images.

    Args:
        run: the run.
        sources: the datasets.
        progress: shows the listing, and gets a line on each dataset.
        update: take over what has changed, instead of refusing it.

    Returns:
        What was seen of each dataset.

    Raises:
        RunError: a source has changed since the run was begun, and `update` is not set.
    """
    record = run.record
    listings = {}
    for name, source in sources.items():
        listing = listings[name] = Listing()
        with (
            progress.task(f"listing {name}", 0, "image") as task,
            writing_annotations(run, name, listing.notes) as annotations,
        ):
            seen = annotations.over(listing.over(source.entries(listing.notes), task))
            is_new = not (name in record.datasets and record.block_rows and index_path(run.path, name).exists())
            if is_new:
                listed, digest = write_index(run, name, seen, source.columns)
                record.datasets[name] = DatasetRecord(listed=listed, digest=digest)
            else:
                _, digest = listing_digest(seen)
                if not update and digest != record.datasets[name].digest:
                    changes = find_changes(run, name, source.entries()) or "what is annotated in its images"
                    raise RunError(
                        f"dataset {name} has changed since this run was begun: {changes}; add `update=True` to take "
                        "that over and embed only what is new, use another `out`, or put it back"
                    )
        if update and not is_new:
            _update(run, name, source, digest, progress)
        record.datasets[name].listing = listing.describe(source)
        run.write_record()
        progress.note(f"{name}: {record.datasets[name].listing}")
    if not record.block_rows:
        record.block_rows = block_rows_for(record.listed)
        run.write_record()
    return listings


def check_enough(listings: Mapping[str, Listing], sources: Mapping[str, Source], *, allow_missing: bool) -> None:
    """Check that at least half of every dataset can be read, as far as listing it tells.

    Raises:
        SourceError: nothing of a dataset can be read, or less than half of it and `allow_missing` is not set.
    """
    for name, listing in listings.items():
        if not has_images(sources[name]):
            continue
        if listing.readable and (allow_missing or listing.readable >= _MISSING_SHARE * listing.count):
            continue
        unit = ("object" if sources[name].objects else "image") + ("" if listing.count == 1 else "s")
        what = "none of" if not listing.readable else f"only {listing.readable:,} of"
        way_out = ", or go on without them: `allow_missing=True`" if listing.readable else ""
        raise SourceError(
            f"dataset {name}: {what} its {listing.count:,} {unit} can be read: {listing.describe_rejected()}; "
            f"{_remedy(listing, sources[name])}{way_out}"
        )


def _shortened(text: str) -> str:
    half = _SHOWN_CHARS // 2
    return text if len(text) <= _SHOWN_CHARS else f"{text[:half]}...{text[-half:]}"


def _remedy(listing: Listing, source: Source) -> str:
    status = max(listing.rejected, key=lambda each: listing.rejected[each][0])
    if status == "missing" and source.folder is None:
        return (
            f"check that the names in {without_prefix(source.location)} are right and that the files are there; "
            "relative names start at its folder"
        )
    return {
        "missing": "check that what the names lead to is there",
        "no-permission": "make them readable for this user",
        "bad-name": "correct the names",
        "bad-box": "correct the boxes",
    }.get(status, "replace them")


def _update(run: RunStore, name: str, source: Source, digest: str, progress: Progress) -> None:
    listed, changes = update_index(run, name, source.entries(), source.columns)
    dataset = run.record.datasets[name]
    dataset.listed, dataset.digest = listed, digest
    run.write_record()
    progress.note(f"{name}: {changes or 'nothing has changed'}")


def block_rows_for(images: int) -> int:
    """Return how many rows a block has in a run of so many images: a power of two.

    Example:
        >>> block_rows_for(600), block_rows_for(1_000_000)
        (32, 8192)
    """
    # Small runs get enough blocks to spread over workers and to resume by, large ones few enough to keep track of.
    rows = _MIN_BLOCK_ROWS
    while rows < GROUP_ROWS and rows * _BLOCKS < images:
        rows *= 2
    return rows
