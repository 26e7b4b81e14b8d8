import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gapscope.errors import RunError
from gapscope.settings import CompareSettings
from gapscope.sources import Entry
from gapscope.store import image_stats, index
from gapscope.store.atomic import replacing, write_json
from gapscope.store.datasets import Pair
from gapscope.store.image_stats import ImageStats, merge_image_stats, write_image_stats
from gapscope.store.neighbors import has_neighbors, read_neighbors, write_neighbors
from gapscope.store.pyramid import create_pyramid, mark_done, open_embeddings, pending_blocks, write_embeddings
from gapscope.store.run_record import RunRecord, open_or_create, read_run_record
from gapscope.store.run_store import RunStore


def record(rows: int = 0, block_rows: int = 2, **compare: Any) -> RunRecord:
    channels = {"P2": 3, "P5": 4}
    return RunRecord.of_embeddings({"real": rows}, channels, block_rows=block_rows, compare=CompareSettings(**compare))


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.txt"
    with replacing(path) as temporary:
        temporary.write_text("old")
    with pytest.raises(KeyError), replacing(path) as temporary:  # noqa: PT012
        temporary.write_text("half of the n")
        raise KeyError
    assert path.read_text() == "old"
    assert [child.name for child in path.parent.iterdir()] == ["file.txt"]
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, float("nan"))


def test_the_same_run_is_opened_and_another_refused_with_the_difference(tmp_path: Path) -> None:
    begun = open_or_create(tmp_path / "run", record(k=5))
    begun.block_rows = 64
    begun.write(tmp_path / "run")
    assert open_or_create(tmp_path / "run", record(k=5)).block_rows == 64
    with pytest.raises(
        RunError, match=r"compare\.k was 5, now 7; compare\.max_outliers was not there, now 3\. .*`out`"
    ):
        open_or_create(tmp_path / "run", record(k=7, max_outliers=3))


def test_a_run_with_an_option_of_another_release_is_read_but_not_continued(tmp_path: Path) -> None:
    open_or_create(tmp_path, record())
    content = json.loads((tmp_path / "run.json").read_text())
    content["config"]["compare"]["later"] = True
    (tmp_path / "run.json").write_text(json.dumps(content))
    assert read_run_record(tmp_path).config == record().config
    with pytest.raises(RunError, match=r"compare\.later was True, now not there"):
        open_or_create(tmp_path, record())
    del content["config"]["compare"]["later"], content["config"]["compare"]["k_local"]
    (tmp_path / "run.json").write_text(json.dumps(content))
    assert read_run_record(tmp_path).config == record().config
    with pytest.raises(RunError, match=r"compare\.k_local was not there, now 30"):
        open_or_create(tmp_path, record())


def test_a_folder_that_is_no_run_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(RunError, match="not empty"):
        open_or_create(tmp_path, record())
    with pytest.raises(RunError, match=r"not empty"):
        open_or_create(tmp_path / "precious.txt", record())
    assert [child.name for child in tmp_path.iterdir()] == ["precious.txt"]
    (tmp_path / "empty").mkdir()
    open_or_create(tmp_path / "empty", record())


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": 1}', '{"format": 1, "config": 3}', "\x00\xff"])
def test_a_damaged_run_json_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(RunError, match=r"run\.json") as caught:
        read_run_record(tmp_path)
    assert "\n" not in str(caught.value)
    (tmp_path / "run.json").write_text(json.dumps({"format": 99}))
    with pytest.raises(RunError, match="format 99"):
        read_run_record(tmp_path)


def stats(status: list[str]) -> list[ImageStats]:
    return [{"format": "PNG", "width": 1, "height": 2, "status": each, "error": ""} for each in status]


def test_index_keeps_the_listing_and_gets_the_image_stats_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "GROUP_ROWS", 4)
    monkeypatch.setattr(image_stats, "GROUP_ROWS", 4)
    entries = [Entry(f"{row}.png", row, row) for row in range(10)]
    run = RunStore(tmp_path, record(10))
    listed, digest = index.write_index(run, "real", entries)
    assert (listed, digest) == index.listing_digest(entries)
    assert digest != index.listing_digest(entries[:-1])[1]
    assert index.entries_of(index.read_block_rows(run, "real", 6, 8)) == entries[6:8]
    for block in range(5):
        write_image_stats(run, "real", block, stats(["ok", "broken"]))
    merge_image_stats(run, "real")
    merge_image_stats(run, "real")
    table = index.read_index(run, "real").to_pandas()
    assert table["uri"].tolist() == [entry.uri for entry in entries]
    assert table["status"].tolist() == ["ok", "broken"] * 5
    assert index.rows_read(run, "real").tolist() == [0, 2, 4, 6, 8]
    assert index.rows_rejected(run, "real")["row"].to_pylist() == [1, 3, 5, 7, 9]
    assert [child.name for child in (tmp_path / "index").iterdir()] == ["real.parquet"]


@pytest.mark.parametrize("fails", ["before", "amid removal"])
def test_merging_survives_a_crash_at_any_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str) -> None:
    run = RunStore(tmp_path, record(4))
    index.write_index(run, "real", [Entry(f"{number}.png") for number in range(4)])
    for block in range(2):
        write_image_stats(run, "real", block, stats(["ok", "broken"]))

    def crash(path: Path, *_: Any) -> None:
        if fails != "before":
            next(path.iterdir()).unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if fails == "before":
            patch.setattr(Path, "replace", crash)
        else:
            patch.setattr(image_stats, "remove_tree", crash)
        with pytest.raises(KeyboardInterrupt):
            merge_image_stats(run, "real")
    merge_image_stats(run, "real")
    assert index.read_index(run, "real")["status"].to_pylist() == ["ok", "broken"] * 2
    assert [child.name for child in (tmp_path / "index").iterdir()] == ["real.parquet"]


def test_a_block_is_one_shard_and_pending_until_its_flag(tmp_path: Path) -> None:
    run = RunStore(tmp_path, record(70, block_rows=32))
    for _ in range(2):
        create_pyramid(run, "real", {"P2": 3, "P5": 4})
    assert pending_blocks(run, "real") == [0, 1, 2]
    values = np.arange(32 * 3, dtype=np.float16).reshape(32, 3)
    write_embeddings(run, "real", 32, {"P2": values})
    assert pending_blocks(run, "real") == [0, 1, 2]
    mark_done(run, "real", 1)
    assert pending_blocks(run, "real") == [0, 2]
    stored = open_embeddings(run, "real", "P2")
    assert (stored.shape, stored.shards, str(stored.dtype)) == ((70, 3), (32, 3), "float16")
    assert stored.metadata.zarr_format == 3
    np.testing.assert_array_equal(stored[32:64], values)
    assert np.isnan(np.asarray(stored[:32])).all()
    assert len([path for path in (tmp_path / "pyramid.zarr" / "real" / "P2" / "c").rglob("*") if path.is_file()]) == 1


def test_neighbors_that_were_not_written_whole_do_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    distances, indices = np.ones((4, 2), np.float32), np.zeros((4, 2), np.int64)
    run, pair = RunStore(tmp_path, record(4)), Pair("real", "synthetic")
    assert not has_neighbors(run, "P2", pair)
    with monkeypatch.context() as patch:
        patch.setattr("zarr.core.attributes.Attributes.__setitem__", lambda *_: (_ for _ in ()).throw(OSError))
        with pytest.raises(OSError):  # noqa: PT011
            write_neighbors(run, "P2", pair, distances, indices)
    assert not has_neighbors(run, "P2", pair)
    write_neighbors(run, "P2", pair, distances, indices)
    assert has_neighbors(run, "P2", pair)
    found = read_neighbors(run, "P2", pair)
    np.testing.assert_array_equal(found[0], distances)
    np.testing.assert_array_equal(found[1], indices)


def test_what_a_killed_command_left_half_written_is_swept_up(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / ".run.json.17.partial").write_text("{")
    open_or_create(run, record())
    left = [
        run / ".run.json.17.partial",
        run / "index" / ".real.parquet.4711.partial",
        run / "pyramid.zarr" / "c" / f"0.{'0a' * 16}.partial",
    ]
    own = run / "index" / "my.partial"
    for path in (*left, own):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    open_or_create(run, record())
    assert not any(path.exists() for path in left)
    assert own.exists()
