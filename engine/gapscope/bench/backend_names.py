"""The names of the ways to draw a map that `gapscope bench reduce` measures, for help that must not import them."""

BACKEND_NAMES = (
    "umap-learn",
    "gapscope, cpu",
    "gapscope, cpu, landmarks",
    "cuML, brute force",
    "cuML, nn_descent",
    "cuML, nn_descent in parts",
    "gapscope, cuda",
    "gapscope, cuda, landmarks",
)
"""Keys of `gapscope.bench.backends.BACKENDS`."""
