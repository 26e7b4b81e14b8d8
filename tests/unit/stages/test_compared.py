"""A comparison that was stopped goes on with the reading at which it was, and takes nothing that is stale."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from quick_compare import read_run_files
from vector_run import compare_vectors

from gapscope.device.cpu import Cpu
from gapscope.progress import Silent
from gapscope.stages import compare_level
from gapscope.stages.compare import compare_datasets
from gapscope.stages.compared import ComparedReading, comparison_key
from gapscope.store.arrays import chunk_checksums
from gapscope.store.datasets import Pair
from gapscope.store.groups import ImageGroups, read_all_groups
from gapscope.store.manifests import manifest_path
from gapscope.store.neighbors import neighbor_arrays, read_neighbors, write_neighbors
from gapscope.store.run_store import RunStore, open_store

LEVELS = ("P3", "P5")
FIRST, SECOND = Pair("real", "synthetic"), Pair("synthetic", "real")


class _StoppedError(Exception):
    pass


@pytest.fixture(scope="module", params=[False, True], ids=["images", "clips with copies"])
def finished(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    random = np.random.default_rng(3)
    sizes = {"real": 90, "synthetic": 60}
    vectors = {name: {level: random.normal(size=(size, 6)) for level in LEVELS} for name, size in sizes.items()}
    for level in LEVELS:
        vectors["real"][level][:8] += 9
        vectors["real"][level][20:23] = vectors["real"][level][20]
    clips = {name: [number // 3 for number in range(size)] for name, size in sizes.items()}
    group = {name: [f"{name}-{clip}" for clip in own] for name, own in clips.items()} if request.param else None
    folder = tmp_path_factory.mktemp("finished") / "run"
    compare_vectors(folder, vectors, group=group, broken={"synthetic": 2})
    return folder


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> RunStore:
    shutil.copytree(finished, tmp_path / "run")
    return open_store(tmp_path / "run")


def compare_again(run: RunStore) -> None:
    compare_datasets(run, run.record.config.compare, Cpu(), Silent())


def compare_until(run: RunStore, call: int) -> None:
    """Compare again, and stop before one of the readings, counted from 1."""
    real, calls = compare_level._Level.open, [0]

    def opens(*given: Any) -> Any:
        calls[0] += 1
        if calls[0] == call:
            raise _StoppedError
        return real(*given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compare_level._Level, "open", opens)
        with pytest.raises(_StoppedError):
            compare_again(run)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Levels and readings that are computed, and not read."""
    found: list[tuple[str, str]] = []
    real = compare_level._Level.open

    def opens(*given: Any) -> Any:
        found.append((given[1], given[4]))
        return real(*given)

    monkeypatch.setattr(compare_level._Level, "open", opens)
    return found


def test_what_is_finished_is_not_computed_again(run: RunStore, opened: list[tuple[str, str]]) -> None:
    undisturbed = read_run_files(run.path)
    every = [(level, reading) for level in LEVELS for reading in ("as-is", "style-aside")]
    for stopped in range(1, 4):
        compare_until(run, stopped + 1)
        assert len(list((run.path / "compared").iterdir())) == stopped
        opened.clear()
        compare_again(open_store(run.path))
        assert opened == every[stopped:]
        assert read_run_files(run.path) == undisturbed


def test_a_finished_comparison_keeps_nothing(run: RunStore, opened: list[tuple[str, str]]) -> None:
    assert not (run.path / "compared").exists()
    compare_again(run)
    assert len(opened) == 4


@pytest.mark.parametrize("lost", ["table", "kept file", "kept bytes"])
def test_what_is_lost_is_computed_again(run: RunStore, opened: list[tuple[str, str]], lost: str) -> None:
    undisturbed = read_run_files(run.path)
    compare_until(run, 4)
    kept = run.path / "compared" / "P3.style-aside.npz"
    if lost == "table":
        manifest_path(run.path, "P3", SECOND, "style-aside").unlink()
    elif lost == "kept file":
        kept.unlink()
    else:
        kept.write_bytes(kept.read_bytes()[:-200])
    opened.clear()
    compare_again(run)
    assert opened == [("P3", "style-aside"), ("P5", "style-aside")]
    assert read_run_files(run.path) == undisturbed


def test_a_reading_is_restored_as_it_was(run: RunStore) -> None:
    restored: list[ComparedReading] = []
    written: list[ComparedReading] = []
    restored_groups = []
    with pytest.MonkeyPatch.context() as patch:
        real = ComparedReading.write

        def writes(own: ComparedReading, store: RunStore, key: str) -> None:
            real(own, store, key)
            assert ComparedReading.is_kept(store, own.level, own.reading, key)
            written.append(own)
            restored.append(ComparedReading.read(store, own.level, own.reading))
            restored_groups.append({pair: of.of_groups() for pair, of in restored[-1].lists.items()})

        patch.setattr(ComparedReading, "write", writes)
        compare_again(run)
    assert len(written) == 4
    for before, after, of_groups in zip(written, restored, restored_groups, strict=True):
        assert after.numbers == before.numbers
        for name in ("p", "first"):
            own, again = getattr(before, name), getattr(after, name)
            assert own.keys() == again.keys()
            assert all((own[pair] == again[pair]).all() for pair in own)
        for pair in (FIRST, SECOND):
            was, now = before.lists[pair], after.lists[pair]
            for name in ("level", "reading", "basis", "listed", "p", "first", "tests", "k_local"):
                assert np.array_equal(getattr(now, name), getattr(was, name))
            for own, again in zip(was.of_groups(), of_groups[pair], strict=True):
                assert np.array_equal(again, own)
                assert again.dtype == own.dtype


def test_the_key_changes_with_whatever_a_comparison_is_computed_from(run: RunStore) -> None:
    groups, settings = read_all_groups(run), run.record.config.compare

    def key(**changed: Any) -> str:
        given: dict[str, Any] = {"settings": settings, "groups": groups, "device": Cpu()} | changed
        return comparison_key(open_store(run.path), given["settings"], given["groups"], given["device"])

    keys = [key()]
    assert key() == keys[0]
    keys.append(key(settings=replace(settings, fdr=0.2)))
    rows = groups["real"].rows
    keys.append(key(groups={**groups, "real": ImageGroups.of_values(rows, [str(row // 5) for row in rows])}))
    distances, indices = read_neighbors(run, "P5", FIRST)
    distances[7, 2] = np.nextafter(distances[7, 2], 0)
    write_neighbors(run, "P5", FIRST, distances, indices)
    keys.append(key())
    run.record.style_scaler["P3"]["real"].mean[0] += 1e-6
    run.write_record()
    keys.append(key())
    assert len(set(keys)) == len(keys)


def test_the_checksums_of_chunks_change_with_their_content(run: RunStore) -> None:
    path = neighbor_arrays("P3", FIRST)[1]
    before = chunk_checksums(run, path)
    assert len(before) == 4
    array = run.array(path, "r+")
    array[3:4] = np.asarray(array[3:4])[:, ::-1]
    assert chunk_checksums(run, path) != before
