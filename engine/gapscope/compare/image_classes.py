"""The classes of a dataset's images or objects."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class ImageClasses:
    """Which classes the embedded images of a dataset have; an image may have none, one or several.

    Attributes:
        names: of all classes that any dataset of the run has, the same for every dataset, sorted.
        image: (e,) positions of images in `ImageGroups.rows`, ascending.
        label: (e,) numbers in `names`, one per entry of `image`; ascending within an image, and none twice.
        images: n, how many embedded images there are.

    Example:
        >>> classes = ImageClasses(("cat", "dog"), np.array([0, 2, 2]), np.array([1, 0, 1]), 3)
        >>> classes.single.tolist()
        [1, -1, -1]
    """

    names: Sequence[str]
    image: NDArray[np.int64]
    label: NDArray[np.int64]
    images: int

    @property
    def counts(self) -> NDArray[np.int64]:
        """(c,) how many images have each class."""
        return np.bincount(self.label, minlength=len(self.names))

    @property
    def single(self) -> NDArray[np.int64]:
        """(n,) the class of each image that has exactly one; -1 elsewhere."""
        classes = np.full(self.images, -1, np.int64)
        classes[self.image] = self.label
        classes[np.bincount(self.image, minlength=self.images) > 1] = -1
        return classes
