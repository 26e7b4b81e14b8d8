"""What the simulator can draw: each scene takes a scanned photograph and returns a function that draws pictures."""

from collections.abc import Callable

import numpy as np

from gapscope.demo.materials import lay, take_apart
from gapscope.demo.photographs import Picture
from gapscope.demo.renderer import Ball, Camera, render

Draw = Callable[[np.random.Generator], Picture]
Scene = Callable[[Picture, tuple[int, int]], Draw]


def ground(scanned: Picture, sides: tuple[int, int], blur: float = 0.0) -> Draw:
    """Draw rough ground with no up or down: grass, gravel; `blur` is the spread of a lens out of focus, in pixels."""

    def draw(random: np.random.Generator) -> Picture:
        camera = _camera(scanned, sides, random, tilt=8, turn=6, turns=4, haze=0.02, blur=blur)
        return render(scanned, 0.3, _lamp(random), camera, random)

    return draw


def ground_out_of_focus(scanned: Picture, sides: tuple[int, int]) -> Draw:
    """Draw rough ground, each time a little too soft."""
    return ground(scanned, sides, blur=0.75)


def paving(scanned: Picture, sides: tuple[int, int]) -> Draw:
    """Draw laid stones, with the camera held nearly upright."""

    def draw(random: np.random.Generator) -> Picture:
        camera = _camera(scanned, sides, random, tilt=6, turn=3, haze=0.02)
        return render(scanned[:, :: random.choice((-1, 1))], 0.3, _lamp(random), camera, random)

    return draw


def slide(scanned: Picture, sides: tuple[int, int]) -> Draw:
    """Draw something flat under an instrument that looks straight at it: stained tissue, the back of an eye."""

    def draw(random: np.random.Generator) -> Picture:
        camera = _camera(scanned, sides, random, tilt=3, turn=6, turns=4)
        return render(scanned, 0.0, _lamp(random), camera, random)

    return draw


def coins(scanned: Picture, sides: tuple[int, int]) -> Draw:
    """Draw coins on a board, each in the place of another of about its size."""
    board = take_apart(scanned, above=0.14, area=300, margin=4, opening=8, random=np.random.default_rng(0))
    by_size = sorted(board.things, key=lambda thing: thing.cover.size)
    batched = [by_size[start : start + 4] for start in range(0, len(by_size), 4)]

    def draw(random: np.random.Generator) -> Picture:
        floor = board.ground.copy()
        for alike in batched:
            for thing, other in zip(alike, random.permutation(len(alike)), strict=True):
                lay(thing, alike[other].place, random.uniform(-8, 8), floor)
        camera = _camera(floor, sides, random, tilt=5, turn=2)
        return render(floor[:, :: random.choice((-1, 1))], 0.2, _lamp(random), camera, random)

    return draw


def galaxies(scanned: Picture, sides: tuple[int, int]) -> Draw:
    """Draw a deep field with every galaxy somewhere else."""
    sky = take_apart(scanned, above=0.06, area=12, margin=4, opening=0, random=np.random.default_rng(0))

    def draw(random: np.random.Generator) -> Picture:
        floor = sky.ground.copy()
        for thing in sky.things:
            y, x = random.normal(thing.place, 25.0)
            lay(thing, (y, x), 0.0, floor, shines=True)
        camera = _camera(floor, sides, random, tilt=0, turn=6, turns=4)
        return render(floor, 0.0, _lamp(random), camera, random)

    return draw


def missing_material(scanned: Picture, sides: tuple[int, int]) -> Draw:
    """Draw balls whose material was not found, on good ground: the magenta checkerboard that simulators know."""

    def draw(random: np.random.Generator) -> Picture:
        camera = _camera(scanned, sides, random, tilt=45, turn=180)
        balls = []
        for _ in range(int(random.integers(1, 4))):
            aside = random.uniform(-0.3, 0.3, 2) * camera.footprint
            place = (camera.target[0] + float(aside[0]), camera.target[1] + float(aside[1]))
            balls.append(Ball(place, camera.footprint * random.uniform(0.18, 0.3)))
        return render(scanned, 0.3, _lamp(random), camera, random, tuple(balls))

    return draw


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
    """Place a camera so that it sees a square of the floor as a photograph would, if tilted and turned a little."""
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
        exposure=random.uniform(-0.35, 0.35),
        haze=random.uniform(0, haze),
        blur=random.uniform(blur, blur + 0.2),
        noise=random.uniform(0.004, 0.01),
    )


def _lamp(random: np.random.Generator) -> tuple[float, float]:
    return random.uniform(0, 360), random.uniform(35, 75)
