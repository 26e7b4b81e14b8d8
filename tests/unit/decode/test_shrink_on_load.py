"""Decoding at a fraction of the size leaves embeddings where they are."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from gapscope.decode import shrink
from gapscope.decode.picture import decode
from gapscope.pyramid import MODELS, Pyramid, load_pyramid
from gapscope.pyramid.weights import sha256_of
from gapscope.settings import EmbedSettings, Preprocess

NAMES = ("astronaut.png", "camera.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "retina.jpg")
BOUND = 0.1
"""Of the distance to the nearest other photograph; docs/sources.md states it."""


def photographs(width: int, height: int) -> list[Image.Image]:
    images = []
    for name in NAMES:
        image = Image.open(io.BytesIO((files("skimage") / "data" / name).read_bytes())).convert("RGB")
        images.append(image.resize((width, height), Image.Resampling.BICUBIC))
    return images


@pytest.fixture(scope="module")
def pyramid() -> Pyramid:
    weights = MODELS["bundled"].weights()
    return load_pyramid(
        EmbedSettings(
            model="bundled",
            weights=str(weights),
            weights_sha256=sha256_of(weights),
            levels=MODELS["bundled"].choose_levels(None),
            preprocess=Preprocess(size=224),
        )
    )


@contextmanager
def nothing_shrunk() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shrink, "OVERSAMPLING", 10_000)
        yield


def embedded(pyramid: Pyramid, data: list[bytes]) -> dict[str, NDArray[np.float32]]:
    pixels = np.stack([decode(file, Preprocess(size=224)).pixels for file in data])
    with torch.inference_mode():
        return {
            level: values.numpy() for level, values in pyramid(torch.from_numpy(pixels).permute(0, 3, 1, 2)).items()
        }


# Of these sizes a quarter and a half are just enough: as little is kept as ever, twice the side of the square.
@pytest.mark.parametrize(("kind", "width", "height"), [("JPEG", 2400, 1800), ("BMP", 1200, 900)])
def test_the_change_of_an_embedding_is_small_against_the_distance_to_its_neighbor(
    pyramid: Pyramid, kind: str, width: int, height: int
) -> None:
    data = []
    for image in photographs(width, height):
        file = io.BytesIO()
        image.save(file, kind, quality=90)
        data.append(file.getvalue())
    embeddings = embedded(pyramid, data)
    with nothing_shrunk():
        exact = embedded(pyramid, data)
    for level, values in embeddings.items():
        changes = np.linalg.norm(values - exact[level], axis=1)
        distances = np.linalg.norm(exact[level][:, None] - exact[level][None], axis=2)
        nearest = np.where(np.eye(len(data), dtype=bool), np.inf, distances).min(axis=1)
        assert changes.min() > 0, "nothing was shrunk"
        assert (changes / nearest).max() < BOUND, level
