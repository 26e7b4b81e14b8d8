"""Embeddings for search and layout: real ones of images, and larger numbers drawn from a mixture fitted to those."""

from pathlib import Path
from typing import Any

import numpy as np
from networks import bundled_settings
from numpy.typing import NDArray
from PIL import Image
from sklearn.cluster import KMeans

from gapscope.device import Device
from gapscope.device.cpu import Cpu
from gapscope.pyramid import load_pyramid
from gapscope.sources import open_source

CHANNELS = 256
_VIEWS, _SIDE, _BATCH = 4, 128, 64
_GROUPS = 200


def real_points(
    folders: list[Path], cache: Path, device: Device | None = None, views: int = _VIEWS
) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """Return (n, 256) embeddings of random crops of every image, and the class of each, which is its sub-folder.

    The embeddings are the bundled network's P5 at 128 pixels, standardized and projected onto their 256 first principal
    axes.

    Args:
        folders: folders of images, with a sub-folder per class.
        cache: file that keeps the embeddings for the next call.
        device: the device to embed on; None for the CPU.
        views: crops per image.
    """
    if not cache.exists():
        embeddings, labels = _embed(folders, device or Cpu(), views)
        np.savez(cache, P5=embeddings, labels=labels)
    with np.load(cache) as cached:
        values, labels = cached["P5"].astype(np.float64), cached["labels"]
    values = (values - values.mean(axis=0)) / np.maximum(values.std(axis=0), 1e-12)
    _, axes = np.linalg.eigh(values.T @ values)
    return (values @ axes[:, ::-1][:, :CHANNELS]).astype(np.float32), labels


def _embed(folders: list[Path], device: Device, views: int) -> tuple[NDArray[np.float16], NDArray[Any]]:
    pyramid = load_pyramid(bundled_settings(_SIDE, levels=("P5",)))
    network = device.prepare_network(pyramid, ("channels-last",))
    random = np.random.default_rng(0)
    pixels, labels, embeddings = [], [], []
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
        embeddings.append(device.embed(network, batch, "float32")()["P5"].astype(np.float16))
    return np.concatenate(embeddings), np.array(labels)


def mixture(real: NDArray[np.float32], count: int, seed: int) -> NDArray[np.float32]:
    """Return (count, channels) points drawn from 200 normal distributions, fitted to the k-means groups of `real`."""
    shares, components = normal_components(real, _GROUPS)
    random = np.random.default_rng(seed)
    groups = random.choice(len(components), count, p=shares)
    points = np.empty((count, real.shape[1]), np.float32)
    for group, (mean, factor) in enumerate(components):
        rows = np.flatnonzero(groups == group)
        points[rows] = mean + random.standard_normal((len(rows), len(factor))) @ factor
    return points


def normal_components(
    real: NDArray[np.float32], groups: int
) -> tuple[NDArray[np.float64], list[tuple[NDArray[np.float64], NDArray[np.float64]]]]:
    """Return the share of every k-means group of points, and each group's mean (channels,) and factor (rank, channels).

    Standard normal numbers (n, rank) multiplied by the factor have the group's covariance.
    """
    labels = KMeans(groups, n_init=1, random_state=0).fit(real).labels_
    components = []
    for group in range(groups):
        members = real[labels == group].astype(np.float64)
        _, lengths, axes = np.linalg.svd(members - members.mean(axis=0), full_matrices=False)
        components.append((members.mean(axis=0), axes * (lengths / np.sqrt(max(1, len(members) - 1)))[:, None]))
    return np.bincount(labels, minlength=groups) / len(real), components
