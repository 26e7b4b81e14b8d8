import numpy as np
import pytest
from scipy.stats import special_ortho_group

from gapscope.layout.align import RADIUS, align

POINTS = (np.random.default_rng(0).gamma(2, size=(200, 3)) * [3, 2, 1] + 50).astype(np.float32)


@pytest.mark.parametrize("mirror", [1, -1])
def test_a_map_that_is_turned_scaled_or_mirrored_is_brought_back(mirror: int) -> None:
    target = align(POINTS, None)
    turned = (POINTS @ special_ortho_group.rvs(3, random_state=1) * [mirror, 1, 1] * 7 - 3).astype(np.float32)
    np.testing.assert_allclose(align(turned, target), target, atol=1e-3)
    # Also with nothing to turn to: the axes are the map's own.
    np.testing.assert_allclose(align(turned, None), target, atol=1e-3)


def test_scale_center_and_order_of_axes_are_fixed() -> None:
    found = align(POINTS, None)
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-4)
    assert np.sqrt(np.square(found).sum(axis=1).mean()) == pytest.approx(RADIUS, rel=1e-4)
    assert (np.diff(found.std(axis=0)) < 0).all()
    assert (np.power(found, 3).sum(axis=0) > 0).all()


def test_a_map_without_extent_stays_one_point() -> None:
    assert not align(np.full((5, 3), 4, np.float32), None).any()
