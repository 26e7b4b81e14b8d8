"""cuML's UMAP as its documents show it: what is measured against."""

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray


def _cuml(vectors: NDArray[np.float32], build_algo: str, **build: Any) -> NDArray[np.float32]:
    import cuml

    fitted = cuml.manifold.UMAP(n_components=3, build_algo=build_algo, build_kwds=build or None, output_type="numpy")
    return np.asarray(fitted.fit_transform(vectors))


CUML = {
    "cuML, brute force": partial(_cuml, build_algo="brute_force_knn"),
    "cuML, nn_descent": partial(_cuml, build_algo="nn_descent"),
    # Of data larger than the card a quarter is there at once.
    "cuML, nn_descent in parts": partial(_cuml, build_algo="nn_descent", knn_n_clusters=8, knn_overlap_factor=2),
}
"""Way to build the neighbor graph, to a function from (n, dims) vectors in host memory to (n, 3) coordinates."""
