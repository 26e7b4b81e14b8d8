"""Local features: about as many places on every level, and none where a level cannot point."""

import pytest
import torch

from gapscope.pyramid.local_features import LocalFeatures
from gapscope.pyramid.models import find_model
from gapscope.pyramid.network import Pyramid
from gapscope.settings import EmbedSettings, Preprocess


def local_features(size: int) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    model = find_model("bundled")
    settings = EmbedSettings(
        model="bundled",
        weights="",
        weights_sha256="",
        levels=model.choose_levels(None),
        preprocess=Preprocess(size=size),
    )
    network = LocalFeatures(Pyramid(model, settings).eval())
    with torch.inference_mode():
        found: dict[str, torch.Tensor] = network(torch.randint(0, 256, (2, 3, size, size), dtype=torch.uint8))
    return found


@pytest.mark.parametrize(
    ("size", "sides"),
    [
        (224, {"P2": 14, "P3": 14, "P4": 14, "P5": 7}),
        (96, {"P2": 12, "P3": 12, "P4": 6}),
        (512, {"P2": 16, "P3": 16, "P4": 16, "P5": 16, "P6": 8}),
    ],
)
def test_every_level_that_can_point_has_6_to_16_places_a_side(size: int, sides: dict[str, int]) -> None:
    found = local_features(size)
    assert {level: maps.shape[2] for level, maps in found.items()} == sides
    channels = {"P2": 24, "P3": 40, "P4": 112, "P5": 320, "P6": 1280}
    assert all(maps.shape[:2] == (2, channels[level]) for level, maps in found.items())
    assert all(maps.dtype == torch.float32 for maps in found.values())


def test_a_place_is_described_with_its_neighbors_and_no_border_darkens_it() -> None:
    from gapscope.pyramid.local_features import _places

    maps = torch.zeros(1, 1, 14, 14)
    maps[0, 0, 5, 5] = 9.0
    assert _places(maps)[0, 0, 4:7, 4:7].tolist() == [[1.0] * 3] * 3
    assert _places(torch.ones(1, 1, 14, 14)).eq(1).all()
