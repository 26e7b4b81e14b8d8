"""The simulator's scenes: each takes the photograph of a material and returns a function that renders pictures."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gapscope.demo.materials import paste, separate_layers
from gapscope.demo.photographs import SIDE, Picture
from gapscope.demo.renderer import Ball, Camera, render

EXPOSURES = (-0.35, 0.05)
"""Smallest and largest exposure of a rendering, in stops. Photographs go up to 0.35: this is a gap that is planted."""


class Rendering(NamedTuple):
    """A picture, and what the simulator was set to.

    Attributes:
        picture: (SIDE, SIDE, 3) float32, 0 to 1.
        camera: that took it.
        lamp: azimuth and elevation of the light, in degrees.
    """

    picture: Picture
    camera: Camera
    lamp: tuple[float, float]


RenderScene = Callable[[np.random.Generator], Rendering]
"""Renders one picture; the generator is the source of all random choices."""

Scene = Callable[[Picture, tuple[int, int]], RenderScene]
"""Takes a photograph, and the smallest and largest side (its pixels) of the part that a picture shows."""


def ground(scanned: Picture, sides: tuple[int, int], blur: float = 0.0) -> RenderScene:
    """Rough ground without an upright orientation: grass, gravel. `blur` is the minimum lens blur, in pixels."""

    def render_picture(random: np.random.Generator) -> Rendering:
        camera = _camera(scanned, sides, random, tilt=8, turn=6, turns=4, haze=0.02, blur=blur)
        return _take(scanned, 0.3, camera, random)

    return render_picture


def ground_out_of_focus(scanned: Picture, sides: tuple[int, int]) -> RenderScene:
    """Rough ground, always slightly out of focus."""
    return ground(scanned, sides, blur=0.75)


def paving(scanned: Picture, sides: tuple[int, int]) -> RenderScene:
    """A paved surface, with the camera held nearly upright."""

    def render_picture(random: np.random.Generator) -> Rendering:
        camera = _camera(scanned, sides, random, tilt=6, turn=3, haze=0.02)
        return _take(scanned[:, :: random.choice((-1, 1))], 0.3, camera, random)

    return render_picture


def slide(scanned: Picture, sides: tuple[int, int]) -> RenderScene:
    """A flat specimen under an instrument that looks straight at it: stained tissue, the retina."""

    def render_picture(random: np.random.Generator) -> Rendering:
        camera = _camera(scanned, sides, random, tilt=3, turn=6, turns=4)
        return _take(scanned, 0.0, camera, random)

    return render_picture


def backdrop(scanned: Picture, sides: tuple[int, int]) -> RenderScene:
    """A flat picture that the camera looks straight at, held nearly upright."""

    def render_picture(random: np.random.Generator) -> Rendering:
        camera = _camera(scanned, sides, random, tilt=3, turn=3)
        return _take(scanned, 0.0, camera, random)

    return render_picture


def rearranged(scanned: Picture, sides: tuple[int, int]) -> RenderScene:
    """What the photograph shows, with its nine parts in random places: the right things, put down without a plan."""
    render_whole = backdrop(scanned, sides)

    def render_picture(random: np.random.Generator) -> Rendering:
        whole, camera, lamp = render_whole(random)
        side = SIDE // 3
        places = [(top, left) for top in range(0, SIDE, side) for left in range(0, SIDE, side)]
        picture = np.empty_like(whole)
        for (top, left), other in zip(places, random.permutation(len(places)), strict=True):
            y, x = places[other]
            picture[top : top + side, left : left + side] = whole[y : y + side, x : x + side]
        return Rendering(picture, camera, lamp)

    return render_picture


def coins(scanned: Picture, sides: tuple[int, int]) -> RenderScene:
    """Coins on a board, each at the position of another coin of similar size."""
    board = separate_layers(
        scanned, min_contrast=0.14, min_area=300, margin=4, opening=8, random=np.random.default_rng(0)
    )
    by_size = sorted(board.objects, key=lambda coin: coin.alpha.size)
    size_groups = [by_size[start : start + 4] for start in range(0, len(by_size), 4)]

    def render_picture(random: np.random.Generator) -> Rendering:
        floor = board.ground.copy()
        for group in size_groups:
            for coin, other in zip(group, random.permutation(len(group)), strict=True):
                paste(coin, group[other].center, random.uniform(-8, 8), floor)
        camera = _camera(floor, sides, random, tilt=5, turn=2)
        return _take(floor[:, :: random.choice((-1, 1))], 0.2, camera, random)

    return render_picture


def galaxies(scanned: Picture, sides: tuple[int, int]) -> RenderScene:
    """A deep field in which every galaxy has moved."""
    sky = separate_layers(scanned, min_contrast=0.06, min_area=12, margin=4, opening=0, random=np.random.default_rng(0))

    def render_picture(random: np.random.Generator) -> Rendering:
        floor = sky.ground.copy()
        for galaxy in sky.objects:
            y, x = random.normal(galaxy.center, 25.0)
            paste(galaxy, (y, x), 0.0, floor, emissive=True)
        camera = _camera(floor, sides, random, tilt=0, turn=6, turns=4)
        return _take(floor, 0.0, camera, random)

    return render_picture


def missing_material(scanned: Picture, sides: tuple[int, int]) -> RenderScene:
    """Balls whose material is missing, on intact ground: the magenta checkerboard known from simulators."""

    def render_picture(random: np.random.Generator) -> Rendering:
        camera = _camera(scanned, sides, random, tilt=45, turn=180)
        balls = []
        for _ in range(int(random.integers(1, 4))):
            offset = random.uniform(-0.3, 0.3, 2) * camera.footprint
            position = (camera.target[0] + float(offset[0]), camera.target[1] + float(offset[1]))
            balls.append(Ball(position, camera.footprint * random.uniform(0.18, 0.3)))
        return _take(scanned, 0.3, camera, random, tuple(balls))

    return render_picture


def _camera(
    floor: Picture,
    sides: tuple[int, int],
    random: np.random.Generator,
    *,
    tilt: float,
    turn: float,
    turns: int = 1,
    haze: float = 0.0,
    blur: float = 0.0,
) -> Camera:
    """Return a camera over a random square of the floor, as a photograph would crop it, slightly tilted and rotated.

    Args:
        floor: (height, width, 3).
        sides: smallest and largest width of the visible floor, in texels.
        random: source of all random choices.
        tilt: maximum tilt, in degrees.
        turn: maximum rotation to either side, in degrees.
        turns: number of quarter turns to choose from, on top of `turn`.
        haze: maximum haze.
        blur: minimum lens blur, in pixels.
    """
    height, width, _ = floor.shape
    footprint = random.uniform(sides[0], min(sides[1], height, width))
    return Camera(
        target=(
            random.uniform(footprint / 2, width - footprint / 2),
            random.uniform(footprint / 2, height - footprint / 2),
        ),
        footprint=footprint,
        tilt=random.uniform(0, tilt),
        heading=90 * int(random.integers(turns)) + random.uniform(-turn, turn),
        exposure=random.uniform(*EXPOSURES),
        haze=random.uniform(0, haze),
        blur=random.uniform(blur, blur + 0.2),
        noise=random.uniform(0.004, 0.01),
    )


def _take(
    floor: Picture, relief: float, camera: Camera, random: np.random.Generator, balls: tuple[Ball, ...] = ()
) -> Rendering:
    lamp = _lamp(random)
    return Rendering(render(floor, relief, lamp, camera, random, balls), camera, lamp)


def _lamp(random: np.random.Generator) -> tuple[float, float]:
    """Return a random azimuth and elevation, in degrees."""
    return random.uniform(0, 360), random.uniform(35, 75)
