"""Embeddings to lay out: real ones as far as there are images, and beyond that a mixture fitted to real ones."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.cluster import KMeans

from gapscope.device import Device
from gapscope.device.cpu import Cpu
from gapscope.pyramid import MODELS, load_pyramid
from gapscope.pyramid.weights import sha256_of
from gapscope.settings import EmbedSettings, Preprocess
from gapscope.sources import open_source

CHANNELS = 256
_VIEWS, _SIDE, _BATCH = 4, 128, 64
_GROUPS = 200


def real_points(
    folders: list[Path], cache: Path, device: Device | None = None, views: int = _VIEWS
) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """Return (n, 256) embeddings of some crops of every image, and which sub-folder each comes from.

    They are the bundled network's P5 at 128 pixels, standardised and turned to their 256 widest axes. `cache` keeps
    them.
    """
    if not cache.exists():
        embeddings, labels = _embed(folders, device or Cpu(), views)
        np.savez(cache, P5=embeddings, labels=labels)
    with np.load(cache) as held:
        values, labels = held["P5"].astype(np.float64), held["labels"]
    values = (values - values.mean(axis=0)) / np.maximum(values.std(axis=0), 1e-12)
    _, axes = np.linalg.eigh(values.T @ values)
    return (values @ axes[:, ::-1][:, :CHANNELS]).astype(np.float32), labels


def _embed(folders: list[Path], device: Device, views: int) -> tuple[NDArray[np.float16], NDArray[Any]]:
    model, weights = MODELS["bundled"], MODELS["bundled"].weights()
    settings = EmbedSettings(
        model="bundled",
        weights=str(weights),
        weights_sha256=sha256_of(weights),
        levels=model.choose_levels(("P5",)),
        preprocess=Preprocess(size=_SIDE),
    )
    network = device.prepare_network(load_pyramid(settings), ("channels-last",))
    random = np.random.default_rng(0)
    pixels, labels, found = [], [], []
    for folder in folders:
        for entry in open_source("images", str(folder)).entries():
            image = Image.open(entry.uri).convert("RGB")
            for _ in range(views):
                side = int(random.integers(min(image.size) // 2, min(image.size) + 1))
                left, top = (int(random.integers(0, length - side + 1)) for length in image.size)
                crop = image.crop((left, top, left + side, top + side)).resize((_SIDE, _SIDE))
                pixels.append(np.asarray(crop))
                labels.append("/".join(Path(entry.uri).parts[-3:-1]))
    for start in range(0, len(pixels), _BATCH):
        batch = np.stack(pixels[start : start + _BATCH])
        found.append(device.embed(network, batch, "float32")()["P5"].astype(np.float16))
    return np.concatenate(found), np.array(labels)


def mixture(real: NDArray[np.float32], count: int, seed: int) -> NDArray[np.float32]:
    """Return (count, channels) points of 200 normal distributions with the means and covariances of k-means groups."""
    shares, parts = normal_parts(real, _GROUPS)
    random = np.random.default_rng(seed)
    drawn = random.choice(len(parts), count, p=shares)
    points = np.empty((count, real.shape[1]), np.float32)
    for group, (mean, factor) in enumerate(parts):
        rows = np.flatnonzero(drawn == group)
        points[rows] = mean + random.standard_normal((len(rows), len(factor))) @ factor
    return points


def normal_parts(
    real: NDArray[np.float32], groups: int
) -> tuple[NDArray[np.float64], list[tuple[NDArray[np.float64], NDArray[np.float64]]]]:
    """Return the share of every k-means group of points, and its mean (channels,) and factor (rank, channels).

    Standard normal numbers (n, rank) times the factor have the group's covariance.
    """
    labels = KMeans(groups, n_init=1, random_state=0).fit(real).labels_
    parts = []
    for group in range(groups):
        here = real[labels == group].astype(np.float64)
        _, lengths, axes = np.linalg.svd(here - here.mean(axis=0), full_matrices=False)
        parts.append((here.mean(axis=0), axes * (lengths / np.sqrt(max(1, len(here) - 1)))[:, None]))
    return np.bincount(labels, minlength=groups) / len(real), parts
