"""Masks whose runs go along the rows become COCO's, pixel by pixel."""

import numpy as np
import pytest
from annotated import covered
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from gapscope.sources.annotations.annotation import Edges, Outline
from gapscope.sources.annotations.shapes import RowRuns, ellipse

SIDE = st.integers(1, 7)


def row_runs(pixels: NDArray[np.bool_], left: int, top: int) -> RowRuns:
    change = np.diff(np.pad(pixels.ravel().astype(int), 1))
    starts, ends = np.flatnonzero(change == 1), np.flatnonzero(change == -1)
    return RowRuns(starts, ends, (left, top, pixels.shape[1], pixels.shape[0]))


@given(
    st.tuples(SIDE, SIDE).flatmap(lambda shape: arrays(bool, shape)), SIDE, SIDE, st.integers(-3, 7), st.integers(-3, 7)
)
def test_runs_along_rows_keep_their_pixels(
    pixels: NDArray[np.bool_], width: int, height: int, left: int, top: int
) -> None:
    runs = row_runs(pixels, left, top)
    canvas = np.zeros((30, 30), bool)
    canvas[top + 10 : top + 10 + pixels.shape[0], left + 10 : left + 10 + pixels.shape[1]] = pixels
    rows, columns = np.nonzero(canvas)
    if not len(rows):
        assert runs.edges is None
        return
    assert runs.edges == Edges(columns.min() - 10, rows.min() - 10, columns.max() - 9, rows.max() - 9)
    inside = canvas[10 : 10 + height, 10 : 10 + width]
    mask = runs.mask(width, height)
    assert (mask is None) == (not inside.any())
    if mask is not None:
        assert np.array_equal(covered(Outline(masks=(mask,)), width, height), inside)


def test_few_runs_along_rows_cannot_become_very_many_down_columns() -> None:
    side = 4000
    starts = np.arange(0, side, 2) * side
    stripes = RowRuns(starts, starts + side, (0, 0, side, side))
    assert stripes.edges == Edges(0, 0, side, side - 1)
    assert stripes.mask(side, side) is None
    assert stripes.mask(10**9, 10**9) is None
    with pytest.raises(ValueError, match="pixels"):
        RowRuns(starts, starts + side, (0, 0, 10**6, 10**6))


def test_an_ellipse_touches_its_edges() -> None:
    edges, polygon = ellipse((50, 40), (30, 10), 30)
    points = np.array(polygon).reshape(-1, 2)
    assert np.allclose((*points.min(axis=0), *points.max(axis=0)), edges, atol=0.1)
