"""Maps of every kind of data, from a run that is embedded: none may fail, and what is not a full map says so."""

from pathlib import Path

import numpy as np
import pytest
from embedded_run import Levels, compute_maps, make_blobs, write_dataset, write_embedded_run
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from sklearn.neighbors import KNeighborsClassifier

from gapscope.device import cpu
from gapscope.layout.align import RADIUS
from gapscope.layout.interpolate import interpolate_coordinates
from gapscope.layout.landmarks import choose_landmarks
from gapscope.neighbors.embedding_view import open_view
from gapscope.settings import LayoutSettings, Metric
from gapscope.store.datasets import all_pairs
from gapscope.store.layouts import forget_previous_coordinates, layout_info, read_layout, remove_results
from gapscope.store.metrics import LayoutInfo
from gapscope.store.neighbors import neighbor_search_info

RANDOM = np.random.default_rng(5)


def two(one: NDArray[np.float32], other: NDArray[np.float32], level: str = "P2") -> dict[str, Levels]:
    return {"a": {level: one}, "b": {level: other}}


CASES = {
    "fewer images than neighbors": (two(make_blobs(7, 6, [0], 1), make_blobs(5, 6, [1], 2)), "full"),
    "two images": (two(make_blobs(1, 6, [0], 1), make_blobs(1, 6, [1], 2)), "pca"),
    "one dataset of one image": (two(make_blobs(40, 6, [0, 1], 1), make_blobs(1, 6, [1], 2)), "full"),
    "all embeddings equal": (two(np.ones((30, 6), np.float32), np.ones((20, 6), np.float32)), "constant"),
    "copies by the thousand": (
        two(
            np.repeat(make_blobs(2, 6, [0], 1), 600, axis=0),
            np.concatenate([make_blobs(1, 6, [0], 1), make_blobs(60, 6, [3], 2)]),
        ),
        "landmarks",
    ),
    "nothing but copies of two": (
        two(np.repeat(make_blobs(2, 6, [0], 1), 40, axis=0), make_blobs(2, 6, [0], 1)),
        "landmarks",
    ),
    "no more dimensions than one": (two(make_blobs(40, 1, [0, 1], 1), make_blobs(30, 1, [2], 2)), "full"),
    "parts that no neighbor connects": (
        two(
            make_blobs(80, 6, [0], 1) + 40,
            np.concatenate([make_blobs(80, 6, [0], 3) - 40, make_blobs(2, 6, [4], 1) * 50]),
        ),
        "full",
    ),
    "a rejected row": (
        two(np.where(np.arange(40)[:, None] == 7, np.nan, make_blobs(40, 6, [0], 1)), make_blobs(9, 6, [0], 2)),
        "full",
    ),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_every_image_that_was_read_has_a_place(tmp_path: Path, case: str, metric: Metric) -> None:
    datasets, strategy = CASES[case]
    run = write_embedded_run(tmp_path / "run", datasets, metric)
    notes = compute_maps(run, k=15)
    points, clusters = read_layout(run, "P2")
    read = np.concatenate([np.isfinite(values["P2"]).all(axis=1) for values in datasets.values()])
    np.testing.assert_array_equal(np.isfinite(points).all(axis=1), read)
    assert (clusters[~read] == -1).all()
    info = layout_info(run, "P2")
    if case != "no more dimensions than one" or metric == "euclidean":
        assert info["strategy"] == strategy
    assert bool(info["note"]) == (info["strategy"] != "full")
    assert [note for note in notes if note.startswith("P2: ")] == ([f"P2: {info['note']}"] if info["note"] else [])
    for pair in all_pairs("ab"):
        assert neighbor_search_info(run, "P2", pair) == {"method": "exact", "recall": 1.0, "sample": 0}


def test_copies_lie_on_one_point(tmp_path: Path) -> None:
    datasets, _ = CASES["copies by the thousand"]
    run = write_embedded_run(tmp_path / "run", datasets)
    compute_maps(run)
    points, _ = read_layout(run, "P2")
    for copies in (np.r_[:600, 1200], np.r_[600:1200]):
        np.testing.assert_allclose(points[copies], points[copies[:1]].repeat(len(copies), axis=0), atol=1e-4)


def planted(tmp_path: Path, settings: LayoutSettings) -> tuple[NDArray[np.float32], NDArray[np.int64], LayoutInfo]:
    kinds = np.sort(np.resize(np.arange(6), 600))
    values = make_blobs(600, 12, list(range(6)), 1)
    order = RANDOM.permutation(600)
    run = write_embedded_run(tmp_path / "run", two(values[order[:350]], values[order[350:]]))
    compute_maps(run, settings)
    points, _ = read_layout(run, "P2")
    return points, kinds[order], layout_info(run, "P2")


@pytest.mark.parametrize("landmarks", [None, 150])
def test_planted_kinds_stay_together(tmp_path: Path, landmarks: int | None) -> None:
    points, kinds, info = planted(tmp_path, LayoutSettings(n_epochs=100, landmarks=landmarks))
    assert info["strategy"] == ("full" if landmarks is None else "landmarks")
    assert info["umap_images"] == (600 if landmarks is None else 149)
    assert (info["trustworthiness"] or 0.0) > 0.9
    half = KNeighborsClassifier(5).fit(points[::2], kinds[::2])
    assert half.score(points[1::2], kinds[1::2]) > 0.95


def test_no_room_in_memory_leads_to_landmarks_and_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu.Cpu, "max_layout_points", lambda *_: 200)
    run = write_embedded_run(tmp_path / "run", two(make_blobs(300, 6, [0, 1], 1), make_blobs(200, 6, [1], 2)))
    (note,) = compute_maps(run)
    assert note.startswith("P2: UMAP laid out 200 of 500 images, memory has room for a map of 200;")


def test_memory_that_runs_out_leads_to_fewer_landmarks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gapscope.layout.strategy._MIN_LANDMARKS", 50)
    layout = cpu.Cpu.layout

    def small(self: cpu.Cpu, start: NDArray[np.float32], *graph: object) -> NDArray[np.float32]:
        if len(start) > 130:
            raise MemoryError
        return layout(self, start, *graph)  # type: ignore[arg-type]

    monkeypatch.setattr(cpu.Cpu, "layout", small)
    run = write_embedded_run(tmp_path / "run", two(make_blobs(300, 6, [0, 1], 1), make_blobs(200, 6, [1], 2)))
    (note,) = compute_maps(run)
    assert note.startswith("P2: UMAP laid out 125 of 500 images, memory ran out over a map of more;")


def test_landmarks_are_as_dense_as_the_images_and_no_two_are_copies(tmp_path: Path) -> None:
    dense, sparse = make_blobs(3000, 6, [0], 1), make_blobs(1000, 6, [1], 2)
    run = write_embedded_run(
        tmp_path / "run", two(np.concatenate([dense, sparse]), np.repeat(make_blobs(1, 6, [2], 3), 500, 0))
    )
    views = [open_view(run, name, "P2") for name in "ab"]
    chosen = choose_landmarks(views, 900, 0)
    assert (chosen >= 4000).sum() == 1
    assert (chosen < 3000).sum() / (chosen < 4000).sum() == pytest.approx(0.75, abs=0.04)
    np.testing.assert_array_equal(chosen, choose_landmarks(views, 900, 0))


def test_one_far_image_neither_presses_the_others_together_nor_is_thrown_farther(tmp_path: Path) -> None:
    values = make_blobs(300, 6, [0, 1, 2], 1)
    values[17] = 3000
    run = write_embedded_run(tmp_path / "run", two(values[:200], values[200:]), "euclidean")
    compute_maps(run)
    points, _ = read_layout(run, "P2")
    others = np.delete(np.arange(300), 17)
    assert np.median(cdist(points[others], points[others])) > 0.5 * RADIUS
    assert np.linalg.norm(points[17]) < 10 * RADIUS


def test_levels_are_turned_alike(tmp_path: Path) -> None:
    values = make_blobs(300, 12, [0, 1, 2, 3, 4], 1)
    turn = np.linalg.qr(RANDOM.normal(size=(12, 12)))[0].astype(np.float32)
    levels = {"P2": values, "P3": -values @ turn, "P4": np.ones((300, 2), np.float32), "P5": values[:, ::-1]}
    folder = tmp_path / "run"
    run = write_embedded_run(
        folder,
        {
            name: {level: found[part] for level, found in levels.items()}
            for name, part in (("a", slice(0, 100)), ("b", slice(100, 300)))
        },
    )
    compute_maps(run, LayoutSettings(n_epochs=100))
    first, third = read_layout(run, "P2")[0], read_layout(run, "P3")[0]
    assert not read_layout(run, "P4")[0].any()
    for found in (first, third, read_layout(run, "P5")[0]):
        assert np.sqrt(np.square(found).sum(axis=1).mean()) == pytest.approx(RADIUS, rel=1e-3)
    # The same structure at both levels: most images are seen where they were, not on the other side.
    apart = np.linalg.norm(first - third, axis=1)
    assert np.median(apart) < 0.5 * np.median(cdist(first, third))


def test_yesterdays_map_stays_and_new_images_are_placed_on_it(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    values = make_blobs(200, 6, [0, 1], 1)
    run = write_embedded_run(folder, two(values[:120], values[120:]))
    compute_maps(run)
    before, _ = read_layout(run, "P2")
    # A copy of an old image, a new one, and one of the old changed to be like another.
    longer = np.concatenate([values[:120], values[3:4], make_blobs(1, 6, [1], 9)])
    longer[50] = values[110]
    remove_results(run)
    forget_previous_coordinates(run, "a", [50])
    write_dataset(run, "a", {"P2": longer})
    notes = compute_maps(run)
    after, _ = read_layout(run, "P2")
    kept = np.delete(np.arange(120), 50)
    np.testing.assert_array_equal(after[kept], before[kept])
    np.testing.assert_array_equal(after[122:], before[120:])
    np.testing.assert_allclose(after[120], before[3], rtol=1e-6)
    np.testing.assert_allclose(after[50], before[110], rtol=1e-6)
    assert notes == ["P2: 3 new images were placed on the earlier map of 199; a new run has a map of its own"]
    assert layout_info(run, "P2")["strategy"] == "extended"


def test_a_map_of_one_point_is_not_kept_to(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    equal = np.ones((20, 6), np.float32)
    run = write_embedded_run(folder, two(equal, equal))
    compute_maps(run)
    remove_results(run)
    write_dataset(run, "a", {"P2": np.concatenate([equal, make_blobs(30, 6, [0, 1], 1)])})
    compute_maps(run)
    assert layout_info(run, "P2")["strategy"] != "extended"


def test_a_map_that_was_drawn_but_not_turned_is_only_turned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "run"
    run = write_embedded_run(folder, two(make_blobs(60, 6, [0, 1], 1), make_blobs(50, 6, [1], 2)))
    whole = write_embedded_run(tmp_path / "whole", two(make_blobs(60, 6, [0, 1], 1), make_blobs(50, 6, [1], 2)))
    compute_maps(whole)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("gapscope.stages.layout._align_levels", stop)
        with pytest.raises(KeyboardInterrupt):
            compute_maps(run)
    monkeypatch.setattr("gapscope.stages.layout.compute_layout", stop)
    compute_maps(run)
    np.testing.assert_array_equal(read_layout(run, "P2")[0], read_layout(whole, "P2")[0])


def test_metric_reaches_the_map(tmp_path: Path) -> None:
    values = make_blobs(60, 6, [0], 1)
    scaled = np.concatenate([values, values * 4])
    run = write_embedded_run(tmp_path / "run", two(scaled, values[:5]), "euclidean")
    view = open_view(run, "a", "P2")
    assert view.metric == "euclidean"
    assert np.linalg.norm(view.tile(0, 120), axis=1).std() > 0.1
    compute_maps(run)
    points, _ = read_layout(run, "P2")
    np.testing.assert_allclose(
        interpolate_coordinates(view.take(slice(0, 3)), view, points[:120], cpu.Cpu()), points[:3], rtol=1e-5
    )
