"""The points of the maps, the same in the page, in stills and in notebooks."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gapscope.report.listed import Listed, read_listed
from gapscope.report.places import Places, read_level, read_places
from gapscope.report.sample import Chosen, choose
from gapscope.run import Run


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """The m images that maps show.

    Attributes:
        run: the run.
        places: every image's place.
        listed: every outlier list.
        image: (m,) int64 positions in `places`, the most important first.
    """

    run: Run
    places: Places
    listed: list[Listed]
    image: NDArray[np.int64]

    @property
    def dataset(self) -> NDArray[np.int16]:
        """(m,) number of each image's dataset."""
        return self.places.dataset[self.image]

    @property
    def row(self) -> NDArray[np.int64]:
        """(m,) row of each image in its dataset."""
        return self.places.row[self.image]

    def points(self, level: str) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """Return (m, 3) places on a level's map, and (m,) clusters."""
        return read_level(self.run, level, self.places, self.image)

    def outliers(self, level: str) -> NDArray[np.bool_]:
        """Return (m,) whether a level lists the image as an outlier against any dataset."""
        listed = np.zeros(len(self.places), dtype=bool)
        for one in self.listed:
            if one.level == level:
                listed[one.image] = True
        return listed[self.image]


def read_drawn(run: Run, max_points: int) -> Drawn:
    """Choose at most `max_points` images: listed outliers, then a random sample of all others."""
    places = read_places(run)
    listed = read_listed(run, places)
    chosen: Chosen = choose(places, listed, max_drawn=max_points, max_neighbours=0)
    return Drawn(run=run, places=places, listed=listed, image=chosen.image[chosen.drawn])
