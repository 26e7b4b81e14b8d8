"""Takes over the vectors that datasets bring: into the arrays of the run, a block at a time."""

from collections.abc import Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gapscope.errors import RunError
from gapscope.sources import Source
from gapscope.sources.vectors.dataset import VectorDataset, vectors_of
from gapscope.store.changes import source_rows
from gapscope.store.image_stats import list_again, merge_image_stats
from gapscope.store.layouts import remove_results
from gapscope.store.pyramid import mark_all_pending, write_embeddings
from gapscope.store.run_store import RunStore


def check_vectors_unchanged(run: RunStore, sources: Mapping[str, Source], *, update: bool) -> None:
    """Check that every dataset still brings the vectors that the run was begun with, or take over others.

    Args:
        run: the run, whose datasets are listed.
        sources: the datasets.
        update: whether changed vectors are taken over.

    Raises:
        RunError: vectors have changed, and `update` is not set.
    """
    if not run.record.config.vectors:
        return
    for name, source in sources.items():
        own = vectors_of(source)
        signature = "; ".join(f"{level}: {own[level].signature}" for level in run.record.config.vectors[name])
        dataset = run.record.datasets[name]
        if dataset.vectors and dataset.vectors != signature:
            if not update:
                raise RunError(
                    f"dataset {name}: its vectors have changed since this run was begun; add `update=True` to take "
                    "them over, or use another `out`"
                )
            remove_results(run)
            merge_image_stats(run, name)
            # A row may have a vector now.
            list_again(run, name, range(run.record.blocks(name)), ["not-finite"])
            mark_all_pending(run, name)
        dataset.vectors = signature
    run.write_record()


class VectorCopier:
    """Copies the vectors of one dataset into the run.

    Args:
        run: the run.
        dataset: the dataset's name.
        source: brings the vectors.
    """

    def __init__(self, run: RunStore, dataset: str, source: VectorDataset) -> None:
        self._run, self._dataset, self._source = run, dataset, source
        self._vectors = {level: source.vectors[level] for level in run.record.config.vectors[dataset]}

    def copy(self, start: int, stop: int) -> None:
        """Copy the vectors of rows `start` to `stop` (exclusive), which are one block; NaN for rows that have none.

        Raises:
            SourceError: they cannot be read.
        """
        rows = self._rows[start:stop]
        known = rows >= 0
        first, last = (int(rows[known].min()), int(rows[known].max()) + 1) if known.any() else (0, 0)
        blocks = {}
        for level, vectors in self._vectors.items():
            values = np.full((stop - start, vectors.shape[1]), np.nan, vectors.dtype)
            if last - first <= 2 * (stop - start):
                values[known] = vectors.read(first, last)[rows[known] - first]
            else:
                # Rows that were added one by one, or whose order has changed. Tables are read from the front.
                numbers = np.flatnonzero(known)
                for at in numbers[np.argsort(rows[numbers])].tolist():
                    values[at] = vectors.read(int(rows[at]), int(rows[at]) + 1)[0]
            blocks[level] = values
        write_embeddings(self._run, self._dataset, start, blocks)

    @cached_property
    def _rows(self) -> NDArray[np.int64]:
        """The number of each row's vector."""
        return source_rows(self._run, self._dataset, self._source.entries())
