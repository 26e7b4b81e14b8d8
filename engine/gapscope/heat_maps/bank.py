"""A bank of a reference's local features, and how unlike it each place of an image is.

A place is one position of a level's map. It is as unlike as its features are far from the nearest in the bank. This is
PatchCore (Roth et al. 2022, "Towards Total Recall in Industrial Anomaly Detection") with random places in the bank
instead of a coreset, and with features whitened by their covariance, as PaDiM does (Defard et al. 2021).
docs/design/heat-maps.md has the measurements behind the constants.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gapscope.heat_maps.squares import Square, pointing_of
from gapscope.heat_maps.unlikeness import Unit, enlarge, fit_unit, focus_of

_MAX_FEATURES, _MAX_LENGTH = 10_000, 96
_SHRINKAGE = 3.0
_POWER = 0.8


@dataclass(frozen=True, kw_only=True, eq=False)
class Bank:
    """What the places of a reference look like on one level.

    Attributes:
        mean: (c,) of the reference's features.
        whitening: (c, d), after which the reference's features are spread about alike in all directions.
        features: (m, d) whitened features of random places.
        usual: (h, w) how unlike the bank each position is in the reference's own images: more at a border, for what the
            network puts around an image.
        unit: of unlikeness.
        focus: mean and standard deviation of `focus_of` over the reference's own images.
        pointing: how well the level points at squares of other pictures pasted into the reference's images: the mean
            area under the ROC curve of its places, 0.5 for not at all, 1 for exactly.
    """

    mean: Tensor
    whitening: Tensor
    features: Tensor
    usual: Tensor
    unit: Unit
    focus: tuple[float, float]
    pointing: float

    def heat_maps(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return heat maps (n, SIDE, SIDE) of images from their local features (n, c, h, w): how unlike each place is.

        0 is as unlike as the median of the reference's own places, 1 as only one in 100 of them is, 2 twice that.
        """
        unlike = [_unlike(torch.from_numpy(own), self.mean, self.whitening, self.features) for own in features]
        return self.unit.of(enlarge(torch.stack(unlike) - self.usual).numpy())

    def focus_of(self, heat_maps: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return (n,) how much more heat maps point at one place than those of the reference's images do.

        The unit is the standard deviation of the latter.
        """
        mean, spread = self.focus
        return np.asarray((focus_of(heat_maps) - mean) / max(spread, 1e-6))


def fit_bank(features: NDArray[np.float32], pasted: NDArray[np.float32], squares: Sequence[Square], size: int) -> Bank:
    """Return the bank of a reference on one level.

    Args:
        features: (n, c, h, w) local features of its images. The first are a random sample of it, each of which is held
            against all others to learn what is usual.
        pasted: (r, c, h, w) local features of these first images again, each with a square of another one pasted in.
        squares: (r,) these squares, whose sources are numbers among the n images.
        size: side of the images in pixels.
    """
    maps = torch.from_numpy(features)
    channels, height, width = maps.shape[1:]
    places = maps.permute(0, 2, 3, 1).reshape(-1, channels)
    mean = places.mean(dim=0)
    whitening = _whitening(places - mean)
    random = torch.Generator().manual_seed(0)
    chosen = torch.randperm(len(places), generator=random)[:_MAX_FEATURES]
    bank, image = _whitened(places[chosen], mean, whitening), chosen // (height * width)

    def unlike_others(own: Tensor, *left_out: int) -> Tensor:
        return _unlike(own, mean, whitening, bank[torch.isin(image, torch.tensor(left_out), invert=True)])

    own = torch.stack([unlike_others(maps[number], number) for number in range(len(squares))])
    usual = _symmetric(own.mean(dim=0))
    own_heat = enlarge(own - usual).numpy()
    unit = fit_unit(own_heat)
    focus = focus_of(unit.of(own_heat))
    with_squares = torch.stack(
        [
            unlike_others(torch.from_numpy(pasted[number]), number, square.source)
            for number, square in enumerate(squares)
        ]
    )
    return Bank(
        mean=mean,
        whitening=whitening,
        features=bank,
        usual=usual,
        unit=unit,
        focus=(float(focus.mean()), float(focus.std())),
        pointing=pointing_of(enlarge(with_squares - usual).numpy(), squares, size),
    )


def _symmetric(usual: Tensor) -> Tensor:
    """Return the mean of a square map over its turns and mirror images, where borders count, but not top or bottom."""
    mirrored = (usual + usual.flip(0)) / 2
    mirrored = (mirrored + mirrored.flip(1)) / 2
    return (mirrored + mirrored.T) / 2


def _whitening(centered: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(centered.T @ centered / len(centered))
    values, vectors = values[-_MAX_LENGTH:].clamp(min=0), vectors[:, -_MAX_LENGTH:]
    # Directions in which the reference hardly varies would be noise if they were blown up to the size of the others.
    scale = (values + _SHRINKAGE * values.mean()).clamp(min=1e-12).rsqrt()
    return torch.mul(vectors, scale)


def _whitened(places: Tensor, mean: Tensor, whitening: Tensor) -> Tensor:
    white = (places - mean) @ whitening
    # Lengths count, but less than directions do: a place is not unlike for being bright alone.
    lengths = torch.linalg.vector_norm(white, dim=1, keepdim=True).clamp(min=1e-6)
    return torch.div(white, lengths**_POWER)


def _unlike(features: Tensor, mean: Tensor, whitening: Tensor, bank: Tensor) -> Tensor:
    """Return (h, w) squared distances of an image's places, from its features (c, h, w), to the nearest of the bank."""
    places = _whitened(features.flatten(1).T, mean, whitening)
    nearest = torch.addmm((bank * bank).sum(dim=1), places, bank.T, alpha=-2.0).amin(dim=1)
    return (nearest + (places * places).sum(dim=1)).clamp(min=0).reshape(features.shape[1:])
