import numpy as np
import pytest
from numpy.typing import NDArray

from gapscope.report.palette import CATEGORIES_DARK, CATEGORIES_LIGHT, DARK, LIGHT

# Machado, Oliveira and Fernandes (2009): normal, protanopia, deuteranopia, tritanopia.
VISIONS = np.array(
    [
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    ]
)
# Ottosson (2020).
CONES = np.array(
    [[0.41222147, 0.53633254, 0.05144599], [0.21190350, 0.68069955, 0.10739696], [0.08830246, 0.28171884, 0.62997870]]
)
OKLAB = np.array(
    [
        [0.21045426, 0.79361779, -0.00407205],
        [1.97799850, -2.42859221, 0.45059371],
        [0.02590404, 0.78277177, -0.80867577],
    ]
)


def linear(colors: tuple[str, ...]) -> NDArray[np.float64]:
    values = np.array([[int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)] for color in colors])
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def smallest_distance(colors: tuple[str, ...], others: tuple[str, ...]) -> float:
    seen = [np.clip(linear(some) @ VISIONS.transpose(0, 2, 1), 0, 1) for some in (colors, others)]
    a, b = (np.cbrt(each @ CONES.T) @ OKLAB.T for each in seen)
    distances = np.linalg.norm(a[:, :, None] - b[:, None], axis=-1)
    return float(distances[distances > 0].min())


@pytest.mark.parametrize(
    ("categories", "datasets", "grounds"),
    [
        (CATEGORIES_LIGHT, LIGHT, ("#FFFFFF", "#F1F2F0")),
        (CATEGORIES_DARK, DARK, ("#0E1114", "#1C2127")),
    ],
)
def test_categories_are_told_apart_from_each_other_and_from_datasets(
    categories: tuple[str, ...], datasets: tuple[str, ...], grounds: tuple[str, ...]
) -> None:
    assert len(set(categories)) == 12
    assert not {*categories} & {*datasets}
    for ground in grounds:
        luminance, behind = (linear(some) @ [0.2126, 0.7152, 0.0722] for some in (categories, (ground,)))
        contrast = (np.maximum(luminance, behind) + 0.05) / (np.minimum(luminance, behind) + 0.05)
        assert contrast.min() >= 3
    # The eye just tells 0.02 apart.
    assert smallest_distance(categories, categories) > 0.055
    assert smallest_distance(categories, datasets) > 0.04
