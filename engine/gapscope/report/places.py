"""Where every image lies on every map."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gapscope.run import Run


@dataclass(frozen=True, kw_only=True)
class Places:
    """The n images that have a place on every map; an image's position in these arrays stands for it.

    Attributes:
        datasets: the datasets' names, in the run's order.
        dataset: (n,) int32, number of each image's dataset.
        row: (n,) int64, each image's row in its dataset.
        uri: (n,) object, the images' uris.
        points: level to (n, 3) float32.
        clusters: level to (n,) int32, -1 for none.
    """

    datasets: tuple[str, ...]
    dataset: NDArray[np.int32]
    row: NDArray[np.int64]
    uri: NDArray[np.object_]
    points: dict[str, NDArray[np.float32]]
    clusters: dict[str, NDArray[np.int32]]

    def __len__(self) -> int:
        return len(self.dataset)

    def find(self, dataset: str, uris: Iterable[str]) -> NDArray[np.int64]:
        """Return the positions of a dataset's `uris`, -1 where one has no place."""
        members, index = self._by_uri[dataset]
        found = index.get_indexer(pd.Index(list(uris), dtype=object))
        return np.where(found < 0, -1, members[found] if len(members) else -1).astype(np.int64)

    @cached_property
    def _by_uri(self) -> dict[str, tuple[NDArray[np.int64], "pd.Index[Any]"]]:
        parts: dict[str, tuple[NDArray[np.int64], pd.Index[Any]]] = {}
        for number, name in enumerate(self.datasets):
            members = np.flatnonzero(self.dataset == number)
            parts[name] = (members, pd.Index(self.uri[members], dtype=object))
        return parts


def read_places(run: Run) -> Places:
    """Read every level's layout. Images whose place is not finite on some level are left out of all."""
    frames = {level: run.layout(level) for level in run.levels}
    first = frames[run.levels[0]]
    points = {level: frame[["x", "y", "z"]].to_numpy(dtype=np.float32) for level, frame in frames.items()}
    finite = np.ones(len(first), dtype=bool)
    for values in points.values():
        finite &= np.isfinite(values).all(axis=1)
    numbers = {name: number for number, name in enumerate(run.datasets)}
    return Places(
        datasets=run.datasets,
        dataset=np.array([numbers[name] for name in first["dataset"]], dtype=np.int32)[finite],
        row=first["row"].to_numpy(dtype=np.int64)[finite],
        uri=first["uri"].to_numpy(dtype=object)[finite],
        points={level: values[finite] for level, values in points.items()},
        clusters={level: frame["cluster"].to_numpy(dtype=np.int32)[finite] for level, frame in frames.items()},
    )
