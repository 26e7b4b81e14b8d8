"""The simulator's library: things scanned from a photograph, and the ground that they lay on.

A photograph of a surface is a material as it is. One of coins or galaxies is taken apart first, so that a rendering can
show the same things arranged anew.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gapscope.demo.photographs import Picture


@dataclass(frozen=True)
class Thing:
    """One thing cut out of a photograph.

    Attributes:
        place: its middle in the photograph, in pixels (y, x).
        colour: (height, width, 3), colours from 0 to 1.
        cover: (height, width, 1), 1 where the thing is and 0 where it is not.
    """

    place: tuple[float, float]
    colour: Picture
    cover: Picture


@dataclass(frozen=True)
class Arrangement:
    """A photograph taken apart.

    Attributes:
        ground: (height, width, 3), the photograph with its things painted over.
        things: what lay on the ground.
    """

    ground: Picture
    things: tuple[Thing, ...]


def take_apart(
    source: Picture, *, above: float, area: int, margin: int, opening: int, random: np.random.Generator
) -> Arrangement:
    """Separate what is brighter than its surroundings from the ground.

    Args:
        source: (height, width, 3), colours from 0 to 1.
        above: how much brighter than the ground a thing is.
        area: the fewest pixels of a thing; what is smaller stays on the ground.
        margin: pixels around a thing that come with it, fading out.
        opening: first remove what is thinner than about twice this, in pixels: scratches, the edge of the ground.
        random: the grain of the ground that is painted where a thing was.

    Returns:
        The things, in the order of reading, and the ground.
    """
    grey = ndimage.gaussian_filter(source.mean(axis=2), 1.0)
    bright = ndimage.binary_fill_holes(grey > _ground_level(grey, above) + above)
    labels, _ = ndimage.label(ndimage.binary_opening(bright, iterations=opening) if opening else bright)
    taken = np.zeros(grey.shape, dtype=bool)
    things = []
    for number, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1):
        top, left = max(0, rows.start - margin), max(0, columns.start - margin)
        box = slice(top, rows.stop + margin), slice(left, columns.stop + margin)
        mask = labels[box] == number
        if mask.sum() < area:
            continue
        wide = ndimage.binary_dilation(mask, iterations=max(1, margin // 2))
        taken[box] |= ndimage.binary_dilation(wide, iterations=max(1, margin // 2))
        cover = ndimage.gaussian_filter(wide.astype(np.float32), margin / 4)[..., None]
        place = top + cover.shape[0] / 2, left + cover.shape[1] / 2
        things.append(Thing(place, source[box], cover))
    return Arrangement(_painted_over(source, taken, random), tuple(things))


def lay(thing: Thing, place: tuple[float, float], angle: float, picture: Picture, *, shines: bool = False) -> None:
    """Lay a thing on a picture, in place; what reaches over its edge is lost.

    Args:
        thing: what to lay.
        place: where its middle comes to lie, in pixels (y, x).
        angle: degrees by which it is turned.
        picture: (height, width, 3), is changed.
        shines: the brighter of the two is seen, as with lights in the dark.
    """
    colour, cover = thing.colour, thing.cover
    if angle:
        colour, cover = (
            ndimage.rotate(part, angle, reshape=False, order=3, mode="nearest") for part in (colour, cover)
        )
    top, left = (round(middle - length / 2) for middle, length in zip(place, cover.shape[:2], strict=True))
    y, x = max(0, -top), max(0, -left)
    target = picture[max(0, top) : max(0, top + cover.shape[0]), max(0, left) : max(0, left + cover.shape[1])]
    colour, cover = (part[y : y + target.shape[0], x : x + target.shape[1]] for part in (colour, cover))
    if shines:
        np.maximum(target, cover * colour, out=target)
    else:
        target += cover * (colour - target)


def _ground_level(grey: NDArray[np.float32], above: float) -> NDArray[np.float32]:
    """Return the brightness of the ground: a bent plane through what is not much brighter than the plane."""
    rows, columns = np.indices(grey.shape, dtype=np.float32)
    terms = np.stack([np.ones_like(grey), rows, columns, rows * columns], axis=-1).reshape(-1, 4)
    flat = grey.ravel()
    level = np.full(flat.shape, np.median(flat))
    for _ in range(5):
        low = flat < level + above
        weights, *_ = np.linalg.lstsq(terms[low], flat[low], rcond=None)
        level = terms @ weights
    return level.reshape(grey.shape).astype(np.float32)


def _painted_over(source: Picture, taken: NDArray[np.bool_], random: np.random.Generator) -> Picture:
    free = (~taken).astype(np.float32)[..., None]
    reach = (8.0, 8.0, 0.0)
    smooth = ndimage.gaussian_filter(source * free, reach) / np.maximum(ndimage.gaussian_filter(free, reach), 1e-3)
    grain = (source - smooth)[~taken]
    painted = source.copy()
    painted[taken] = smooth[taken] + grain[random.integers(len(grain), size=int(taken.sum()))]
    return np.clip(painted, 0, 1).astype(np.float32)
