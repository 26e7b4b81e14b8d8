"""Maps of very many images: landmarks first, then the others in jobs of their own; the same map as in one piece."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from embedded_run import compute_maps, make_blobs, write_embedded_run

from gapscope.cluster import run_jobs
from gapscope.device.cpu import Cpu
from gapscope.errors import ClusterError
from gapscope.layout import landmarks
from gapscope.settings import LayoutSettings
from gapscope.stages import layout
from gapscope.store.layouts import has_layout, layout_info, read_layout
from gapscope.store.run_store import RunStore, open_store

SETTINGS = LayoutSettings(n_epochs=30, landmarks=200)


def blobs_run(folder: Path) -> RunStore:
    real, synthetic = make_blobs(700, 8, range(6), 1), make_blobs(400, 8, range(5), 2)
    real[::50] = np.nan
    return write_embedded_run(
        folder, {"real": {"P4": real, "P5": real[:, ::-1]}, "synthetic": {"P4": synthetic, "P5": synthetic[:, ::-1]}}
    )


@pytest.fixture
def in_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "PARTITION_FROM", 1)
    monkeypatch.setattr(layout, "_PLACED_ROWS", 150)


def assert_same_maps(run: RunStore, expected: RunStore) -> None:
    for level in run.levels:
        for actual, wanted in zip(read_layout(run, level), read_layout(expected, level), strict=True):
            np.testing.assert_array_equal(actual, wanted)
        assert layout_info(run, level) == layout_info(expected, level)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    run = blobs_run(tmp_path_factory.mktemp("whole") / "run")
    compute_maps(run, SETTINGS)
    return run


@pytest.mark.parametrize("stop", [1, 6, 20])
def test_a_map_in_jobs_is_the_map_in_one_piece_even_where_it_was_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: RunStore, stop: int, in_jobs: None
) -> None:
    del in_jobs
    run = blobs_run(tmp_path / "run")

    def interrupted(*args: Any, **kwargs: Any) -> Iterator[Any]:
        for number, result in enumerate(run_jobs(*args, **kwargs)):
            if number == stop:
                raise ClusterError("stopped by the test")
            yield result

    with monkeypatch.context() as patch:
        patch.setattr(layout, "run_jobs", interrupted)
        # Twenty jobs are more than there are.
        if stop < 20:
            with pytest.raises(ClusterError):
                compute_maps(run, SETTINGS)
            assert not all(has_layout(run, level) for level in run.levels)
    compute_maps(open_store(run.path), SETTINGS)
    assert_same_maps(run, whole)
    assert not (run.path / "shuffle").exists()


def test_of_very_many_images_some_are_looked_at_for_landmarks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: RunStore
) -> None:
    monkeypatch.setattr(landmarks, "PARTITION_FROM", 1)
    monkeypatch.setattr(landmarks, "_MIN_CANDIDATES", 20)
    run = blobs_run(tmp_path / "run")
    notes = compute_maps(run, SETTINGS)
    assert any("UMAP laid out 19" in note or "UMAP laid out 20" in note for note in notes)
    for level in run.levels:
        quality, of_all = layout_info(run, level), layout_info(whole, level)
        assert (quality["trustworthiness"] or 0) > (of_all["trustworthiness"] or 1) - 0.05


def test_a_million_images_have_at_most_as_many_landmarks_as_the_device_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gapscope.layout.strategy.PARTITION_FROM", 1000)
    monkeypatch.setattr(Cpu, "max_landmarks", 120)
    run = blobs_run(tmp_path / "run")
    notes = compute_maps(run, LayoutSettings(n_epochs=20))
    assert sum("since a map of more takes long and shows no more" in note for note in notes) == 2
