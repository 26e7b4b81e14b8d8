"""Made-up embeddings of any number, from a mixture of normal distributions that is fitted to real ones."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_COMPONENTS = 24
_TILE_ROWS = 2**18
_SHRINKAGE = 1e-2


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """A mixture of normal distributions.

    Attributes:
        shares: (components,) of the points.
        means: (components, dims).
        factors: (components, dims, dims): standard normal numbers times a factor have the component's covariance.
    """

    shares: NDArray[np.float64]
    means: NDArray[np.float32]
    factors: NDArray[np.float32]

    def write(self, file: Path, rows: int, seed: int) -> None:
        """Write (rows, dims) float16 points to a .npy file, some at a time."""
        random = np.random.default_rng(seed)
        points = np.lib.format.open_memmap(file, "w+", np.float16, (rows, self.means.shape[1]))
        for start in range(0, rows, _TILE_ROWS):
            component = random.choice(len(self.shares), min(_TILE_ROWS, rows - start), p=self.shares)
            tile = random.standard_normal((len(component), self.means.shape[1]), dtype=np.float32)
            for number, (mean, factor) in enumerate(zip(self.means, self.factors, strict=True)):
                own = component == number
                tile[own] = tile[own] @ factor + mean
            points[start : start + len(tile)] = tile
        points.flush()

    def without_some(self, seed: int) -> "Mixture":
        """Return a mixture that lacks one component, and has the others in other shares."""
        random = np.random.default_rng(seed)
        shares = self.shares * random.uniform(0.4, 1.6, len(self.shares))
        shares[random.integers(len(shares))] = 0
        return Mixture(shares=shares / shares.sum(), means=self.means, factors=self.factors)


def fit_mixture(points: NDArray[np.floating], dims: int) -> Mixture:
    """Return a mixture of 24 components, fitted to the first principal components of standardized embeddings.

    Args:
        points: (n, channels) embeddings.
        dims: number of principal components.

    Example:
        >>> mixture = fit_mixture(np.random.default_rng(0).normal(size=(500, 8)), dims=4)
        >>> mixture.means.shape[1], round(float(mixture.shares.sum()), 6)
        (4, 1.0)
    """
    # Not at the top: importing scikit-learn takes a second.
    from sklearn.decomposition import PCA
    from sklearn.mixture import GaussianMixture

    values = points.astype(np.float64)
    values = (values - values.mean(axis=0)) / np.maximum(values.std(axis=0), 1e-12)
    components = PCA(dims, random_state=0).fit_transform(values)
    size = max(1, min(_COMPONENTS, len(values) // (2 * dims)))
    fitted = GaussianMixture(size, reg_covar=_SHRINKAGE * components.var(), random_state=0).fit(components)
    factors = np.linalg.cholesky(fitted.covariances_).transpose(0, 2, 1)
    return Mixture(
        shares=fitted.weights_ / fitted.weights_.sum(),
        means=fitted.means_.astype(np.float32),
        factors=factors.astype(np.float32),
    )
