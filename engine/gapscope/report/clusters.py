"""The clusters that belong to one dataset, and the images that are typical of them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gapscope.report.places import Places, rows_named
from gapscope.run import Run


@dataclass(frozen=True, kw_only=True)
class OneSided:
    """A cluster of one level that almost only one dataset has.

    Attributes:
        cluster: its number.
        images: how many images it has.
        dataset: number of the dataset.
        share: the dataset's share of it, in 0..1.
        typical: (t,) int64 positions in `Places` of images that stand for it, most typical first; may be empty.
    """

    cluster: int
    images: int
    dataset: int
    share: float
    typical: NDArray[np.int64]


def read_one_sided(run: Run, places: Places) -> list[list[OneSided]]:
    """Read the one-sided clusters of every level, largest first."""
    found = [run.metrics["levels"][level]["clusters"]["one_sided"] for level in run.levels]
    rows = {
        name: rows_named(
            run, name, [uri for level in found for one in level if one["dataset"] == name for uri in _typical(one)]
        )
        for name in run.datasets
    }
    return [
        [
            OneSided(
                cluster=one["cluster"],
                images=one["images"],
                dataset=places.datasets.index(one["dataset"]),
                share=one["share"],
                typical=_positions(places, one["dataset"], rows[one["dataset"]], _typical(one)),
            )
            for one in level
        ]
        for level in found
    ]


def _typical(one: dict[str, object]) -> list[str]:
    # Older runs have none.
    uris = one.get("typical")
    return [uri for uri in uris if isinstance(uri, str)] if isinstance(uris, list) else []


def _positions(places: Places, dataset: str, rows: dict[str, int], uris: list[str]) -> NDArray[np.int64]:
    named = np.array([rows.get(uri, -1) for uri in uris], np.int64)
    found = places.find(places.datasets.index(dataset), named)
    return found[found >= 0]
