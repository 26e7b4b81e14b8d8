"""Pools return one vector per map, as their papers and other libraries define them."""

import numpy as np
import pytest
import torch
from timm.layers.adaptive_avgmax_pool import SelectAdaptivePool2d

from gapscope.pyramid.pool import POOLS, pooled_length


@pytest.fixture
def maps() -> torch.Tensor:
    return torch.randn(2, 5, 6, 8, generator=torch.Generator().manual_seed(0))


def test_mean_and_max_are_timms(maps: torch.Tensor) -> None:
    torch.testing.assert_close(POOLS["mean"](maps), SelectAdaptivePool2d(pool_type="avg", flatten=True)(maps))
    torch.testing.assert_close(POOLS["max"](maps), SelectAdaptivePool2d(pool_type="max", flatten=True)(maps))


def test_gem_lies_between_mean_and_max_of_positive_values(maps: torch.Tensor) -> None:
    positive = maps.clamp(min=1e-6)
    pooled = POOLS["gem"](maps)
    assert (pooled >= POOLS["mean"](positive)).all()
    assert (pooled <= POOLS["max"](positive)).all()
    torch.testing.assert_close(POOLS["gem"](torch.full((1, 1, 3, 3), 2.0)), torch.full((1, 1), 2.0))


def test_a_grid_keeps_rough_locations(maps: torch.Tensor) -> None:
    pooled = POOLS["grid"](maps).reshape(2, 5, 2, 2)
    torch.testing.assert_close(pooled[:, :, 0, 1], maps[:, :, :3, 4:].mean(dim=(2, 3)))
    assert not torch.allclose(POOLS["grid"](maps.flip(3)), POOLS["grid"](maps))
    torch.testing.assert_close(POOLS["mean"](maps.flip(3)), POOLS["mean"](maps))


@pytest.mark.parametrize("pool", sorted(POOLS))
@pytest.mark.parametrize("size", [(1, 1), (7, 3)])
def test_length_and_precision_are_as_promised(pool: str, size: tuple[int, int]) -> None:
    pooled = POOLS[pool](torch.ones(3, 4, *size, dtype=torch.bfloat16))  # type: ignore[index]
    assert pooled.dtype == torch.float32
    assert pooled.shape == (3, pooled_length(pool, 4))  # type: ignore[arg-type]
    np.testing.assert_allclose(pooled.numpy(), 1, rtol=1e-6)
