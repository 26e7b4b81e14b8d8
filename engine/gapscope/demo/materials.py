"""The simulator's library: objects cut out of a photograph, and the ground behind them.

A photograph of a surface is used as a material directly. A photograph of coins or galaxies is first separated into
objects and ground, so that a rendering can show the same objects in another arrangement.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gapscope.demo.photographs import Picture


@dataclass(frozen=True)
class Cutout:
    """One object cut out of a photograph.

    Attributes:
        center: its center in the photograph, in pixels (y, x).
        color: (height, width, 3) float32, 0 to 1.
        alpha: (height, width, 1) float32, from 1 on the object to 0 beside it.
    """

    center: tuple[float, float]
    color: Picture
    alpha: Picture


@dataclass(frozen=True)
class Layers:
    """A photograph separated into objects and ground.

    Attributes:
        ground: (height, width, 3), the photograph with its objects painted over.
        objects: the objects, in reading order.
    """

    ground: Picture
    objects: tuple[Cutout, ...]


def separate_layers(
    source: Picture, *, min_contrast: float, min_area: int, margin: int, opening: int, random: np.random.Generator
) -> Layers:
    """Separate objects that are brighter than their surroundings from the ground.

    Args:
        source: (height, width, 3), 0 to 1.
        min_contrast: how much brighter than the ground an object is.
        min_area: minimum number of pixels of an object; smaller ones stay part of the ground.
        margin: pixels around an object that are cut out with it, fading out.
        opening: radius in pixels of a morphological opening that first removes structures thinner than about twice
            this: scratches, the edge of the ground; 0 for none.
        random: draws the grain of the ground that is painted over an object.

    Returns:
        The objects and the ground.
    """
    gray = ndimage.gaussian_filter(source.mean(axis=2), 1.0)
    bright = ndimage.binary_fill_holes(gray > _ground_level(gray, min_contrast) + min_contrast)
    labels, _ = ndimage.label(ndimage.binary_opening(bright, iterations=opening) if opening else bright)
    removed = np.zeros(gray.shape, dtype=bool)
    objects = []
    for number, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1):
        top, left = max(0, rows.start - margin), max(0, columns.start - margin)
        box = slice(top, rows.stop + margin), slice(left, columns.stop + margin)
        mask = labels[box] == number
        if mask.sum() < min_area:
            continue
        dilated = ndimage.binary_dilation(mask, iterations=max(1, margin // 2))
        removed[box] |= ndimage.binary_dilation(dilated, iterations=max(1, margin // 2))
        alpha = ndimage.gaussian_filter(dilated.astype(np.float32), margin / 4)[..., None]
        center = top + alpha.shape[0] / 2, left + alpha.shape[1] / 2
        objects.append(Cutout(center, source[box], alpha))
    return Layers(_paint_over(source, removed, random), tuple(objects))


def paste(
    cutout: Cutout, center: tuple[float, float], angle: float, picture: Picture, *, emissive: bool = False
) -> None:
    """Paste an object into a picture, in place; parts beyond the picture's edge are cut off.

    Args:
        cutout: the object.
        center: position of its center in the picture, in pixels (y, x).
        angle: rotation in degrees.
        picture: (height, width, 3), modified.
        emissive: whether the brighter of object and picture shows, as with lights in the dark.
    """
    color, alpha = cutout.color, cutout.alpha
    if angle:
        color, alpha = (ndimage.rotate(part, angle, reshape=False, order=3, mode="nearest") for part in (color, alpha))
    top, left = (round(middle - length / 2) for middle, length in zip(center, alpha.shape[:2], strict=True))
    y, x = max(0, -top), max(0, -left)
    target = picture[max(0, top) : max(0, top + alpha.shape[0]), max(0, left) : max(0, left + alpha.shape[1])]
    color, alpha = (part[y : y + target.shape[0], x : x + target.shape[1]] for part in (color, alpha))
    if emissive:
        np.maximum(target, alpha * color, out=target)
    else:
        target += alpha * (color - target)


def _ground_level(gray: NDArray[np.float32], min_contrast: float) -> NDArray[np.float32]:
    """Return the ground's brightness: a bilinear surface, fitted to the pixels that are not much brighter than it."""
    rows, columns = np.indices(gray.shape, dtype=np.float32)
    terms = np.stack([np.ones_like(gray), rows, columns, rows * columns], axis=-1).reshape(-1, 4)
    brightness = gray.ravel()
    level = np.full(brightness.shape, np.median(brightness))
    for _ in range(5):
        ground = brightness < level + min_contrast
        weights, *_ = np.linalg.lstsq(terms[ground], brightness[ground], rcond=None)
        level = terms @ weights
    return level.reshape(gray.shape).astype(np.float32)


def _paint_over(source: Picture, removed: NDArray[np.bool_], random: np.random.Generator) -> Picture:
    """Fill the removed pixels with the blurred ground, plus the grain of randomly drawn ground pixels."""
    weights = (~removed).astype(np.float32)[..., None]
    sigma = (8.0, 8.0, 0.0)
    smooth = ndimage.gaussian_filter(source * weights, sigma)
    smooth = smooth / np.maximum(ndimage.gaussian_filter(weights, sigma), 1e-3)
    grain = (source - smooth)[~removed]
    painted = source.copy()
    painted[removed] = smooth[removed] + grain[random.integers(len(grain), size=int(removed.sum()))]
    return np.clip(painted, 0, 1).astype(np.float32)
