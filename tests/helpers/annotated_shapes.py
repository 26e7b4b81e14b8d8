"""Images of colored shapes on a background, with the shapes annotated."""

import numpy as np
from annotated_forms import AnnotatedImage
from PIL import Image, ImageDraw

from gapscope.sources.annotations.annotation import Annotation, Outline
from gapscope.sources.annotations.shapes import polygon_edges

SHAPES = {"square": (0, 0, 1, 0, 1, 1, 0, 1), "triangle": (0, 0, 1, 0.1, 0.4, 1)}


def draw_set(count: int, seed: int, background: str) -> list[AnnotatedImage]:
    """Images of one or two colored shapes, on noise or on stripes of the same mean color."""
    random = np.random.default_rng(seed)
    images = []
    for number in range(count):
        pixels = random.integers(60, 197, (96, 128, 3), dtype=np.uint8)
        if background == "stripes":
            pixels = np.zeros((96, 128, 3), np.uint8)
            pixels[np.arange(96) // int(random.integers(3, 6)) % 2 == 0] = 255
        picture = Image.fromarray(pixels)
        objects = []
        for place in range(int(random.integers(1, 3))):
            name = ("square", "triangle")[int(random.integers(2))]
            side = int(random.integers(24, 44))
            left, top = 4 + 62 * place + int(random.integers(12)), int(random.integers(4, 48))
            polygon = tuple(float(value * side + (top if axis else left)) for axis, value in _alternating(SHAPES[name]))
            color = tuple(random.integers((150, 60, 0), (230, 160, 60)).tolist())
            # Nothing of the background lies inside of the annotated outline.
            corners = [*zip(polygon[::2], polygon[1::2], strict=True)]
            ImageDraw.Draw(picture).polygon(corners, fill=color)
            ImageDraw.Draw(picture).line([*corners, *corners[:2]], fill=color, width=4, joint="curve")
            objects.append(Annotation("", name, polygon_edges(polygon), outline=Outline((polygon,))))
        images.append(AnnotatedImage(f"{number:02}.png", picture, tuple(objects)))
    return images


def _alternating(values: tuple[float, ...]) -> list[tuple[int, float]]:
    return [(place % 2, value) for place, value in enumerate(values)]
