"""New images on a map that is there: where one lands depends on itself and on the map alone."""

from collections.abc import Iterator

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, Delaunay

from gapscope.device import cpu
from gapscope.layout.interpolate import distance_weights, interpolate_coordinates
from gapscope.neighbors.embedding_view import EmbeddingView

_ROWS, _CHANNELS = 900, 8


def rows_of(values: NDArray[np.float32]) -> EmbeddingView:
    return EmbeddingView(
        embeddings=zarr.create_array({}, data=values, chunks=(100, values.shape[1])),
        rows=np.arange(len(values)),
        mean=np.zeros(values.shape[1], np.float32),
        std=np.ones(values.shape[1], np.float32),
    )


RANDOM = np.random.default_rng(0)
AMONG = rows_of(RANDOM.normal(size=(_ROWS, _CHANNELS)).astype(np.float32))
QUERY = rows_of(RANDOM.normal(size=(200, _CHANNELS)).astype(np.float32))
POINTS = RANDOM.normal(size=(_ROWS, 3)).astype(np.float32)


@pytest.fixture(scope="module", params=[10**9, 300], ids=["exact", "cells"], autouse=True)
def way(request: pytest.FixtureRequest) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cpu, "_IVF_FROM", request.param)
        yield


@settings(max_examples=12)
@given(st.lists(st.integers(0, len(QUERY) - 1), min_size=1, max_size=60, unique=True))
def test_company_does_not_move_an_image(rows: list[int]) -> None:
    batch = np.sort(rows)
    together = interpolate_coordinates(QUERY, AMONG, POINTS, cpu.Cpu())
    np.testing.assert_array_equal(interpolate_coordinates(QUERY.take(batch), AMONG, POINTS, cpu.Cpu()), together[batch])


def test_a_copy_lies_on_its_image() -> None:
    np.testing.assert_allclose(interpolate_coordinates(AMONG, AMONG, POINTS, cpu.Cpu()), POINTS, rtol=1e-6)


def test_no_image_lands_outside_the_map() -> None:
    hull = Delaunay(POINTS[ConvexHull(POINTS).vertices])
    assert (hull.find_simplex(interpolate_coordinates(QUERY, AMONG, POINTS, cpu.Cpu()) * 0.9999) >= 0).all()


def test_a_map_of_few_images_is_enough() -> None:
    placed = interpolate_coordinates(QUERY, AMONG.take(slice(0, 1)), POINTS[:1], cpu.Cpu())
    np.testing.assert_array_equal(placed, np.repeat(POINTS[:1], len(QUERY), axis=0))


def test_the_nearer_the_more() -> None:
    weights = distance_weights(
        np.array([[0.1, 0.2, 0.4], [0.3, 0.3, 0.3], [0, 0, 0.5], [0.1, 0.2, np.inf]], np.float32)
    )
    assert weights[0, 0] > weights[0, 1] > weights[0, 2]
    np.testing.assert_allclose(weights[1:3], [[1, 1, 1], [1, 1, 0]])
    assert weights[3, 0] > 0
    assert weights[3, 2] == 0


def test_an_image_between_two_groups_lies_in_one_of_them_and_not_in_the_empty_space() -> None:
    groups = np.repeat([[-1.0, 1, 0, 0], [1.0, 1, 0, 0]], 50, axis=0) + RANDOM.normal(scale=0.01, size=(100, 4))
    points = np.repeat([[-9.0, 0, 0], [9.0, 0, 0]], 50, axis=0) + RANDOM.normal(scale=0.1, size=(100, 3))
    between = rows_of(np.array([[0.0, 1, 0, 0], [0.001, 1, 0, 0]], np.float32))
    placed = interpolate_coordinates(between, rows_of(groups.astype(np.float32)), points.astype(np.float32), cpu.Cpu())
    assert (np.abs(np.abs(placed[:, 0]) - 9) < 0.5).all()
