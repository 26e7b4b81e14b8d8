"""The stage that lists every dataset's images into its index, and checks that a listed dataset stays the same."""

from collections.abc import Iterator, Mapping

from gapscope.errors import RunError, SourceError
from gapscope.progress import Progress, Task
from gapscope.sources import Entry, Source
from gapscope.store.changes import find_changes
from gapscope.store.index import GROUP_ROWS, index_path, listing_digest, write_index
from gapscope.store.run_record import DatasetRecord
from gapscope.store.run_store import RunStore
from gapscope.store.update import update_index

_BLOCKS = 64
_MIN_BLOCK_ROWS = 32


def check_not_empty(name: str, source: Source) -> None:
    """Check that a dataset has a first image.

    Raises:
        SourceError: there is none, or the source cannot be listed.
    """
    try:
        first = next(iter(source.entries()), None)
    except SourceError as error:
        raise SourceError(f"dataset {name}: {error}") from error
    if first is None and source.location == source.folder:
        raise SourceError(f"dataset {name}: no file in {source.location} has an image's name (.jpg, .png, ...)")
    if first is None:
        raise SourceError(f"dataset {name}: there are no images in {source.location}")


def list_datasets(run: RunStore, sources: Mapping[str, Source], progress: Progress, *, update: bool) -> None:
    """List every dataset that is not listed yet, and check that the others still list the same images.

    Args:
        run: the run.
        sources: the datasets.
        progress: shows the listing.
        update: take over what has changed, instead of refusing it.

    Raises:
        RunError: a source has changed since the run was begun, and `update` is not set.
    """
    record = run.record
    for name, source in sources.items():
        with progress.task(f"listing {name}", 0, "image") as task:
            if not (name in record.datasets and record.block_rows and index_path(run.path, name).exists()):
                listed, digest = write_index(run, name, _counted(source.entries(), task), source.columns)
                record.datasets[name] = DatasetRecord(listed=listed, digest=digest)
                run.write_record()
                continue
            _, digest = listing_digest(_counted(source.entries(), task))
        if update:
            _update(run, name, source, digest, progress)
        elif digest != record.datasets[name].digest:
            raise RunError(
                f"dataset {name} has changed since this run was begun: {find_changes(run, name, source.entries())}; "
                "add `update=True` to take that over and embed only what is new, use another `out`, or put it back"
            )
    if not record.block_rows:
        record.block_rows = block_rows_for(record.listed)
        run.write_record()


def _update(run: RunStore, name: str, source: Source, digest: str, progress: Progress) -> None:
    listed, changes = update_index(run, name, source.entries(), source.columns)
    dataset = run.record.datasets[name]
    dataset.listed, dataset.digest = listed, digest
    run.write_record()
    progress.note(f"{name}: {changes or 'nothing has changed'}")


def _counted(entries: Iterator[Entry], task: Task) -> Iterator[Entry]:
    for entry in entries:
        task.advance(1)
        yield entry


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
