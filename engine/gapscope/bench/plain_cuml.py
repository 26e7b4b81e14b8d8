"""cuML's UMAP, called as in its documentation: the alternative that gapscope's GPU maps are measured against."""

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray


def _cuml(vectors: NDArray[np.float32], build_algo: str, **build: Any) -> NDArray[np.float32]:
    import cuml

    model = cuml.manifold.UMAP(n_components=3, build_algo=build_algo, build_kwds=build or None, output_type="numpy")
    return np.asarray(model.fit_transform(vectors))


CUML = {
    "cuML, brute force": partial(_cuml, build_algo="brute_force_knn"),
    "cuML, nn_descent": partial(_cuml, build_algo="nn_descent"),
    # For data larger than the GPU's memory: a quarter (2 of 8 clusters) is on the GPU at a time.
    "cuML, nn_descent in parts": partial(_cuml, build_algo="nn_descent", knn_n_clusters=8, knn_overlap_factor=2),
}
"""Method to build the neighbor graph, to a function from (n, dims) vectors in host memory to (n, 3) coordinates."""
