"""A dataset that changed is brought up to date: old rows stay where they are, and only what is new waits for work."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gapscope.sources.entry import Entry, Kind
from gapscope.store import image_stats, index, update
from gapscope.store.changes import Changes, find_changes
from gapscope.store.image_stats import ImageStats
from gapscope.store.pyramid import create_pyramid, mark_done, pending_blocks
from gapscope.store.run_record import RunRecord
from gapscope.store.run_store import RunStore
from gapscope.store.update import update_index

BLOCK = 2


@pytest.fixture(autouse=True)
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (index, update, image_stats):
        monkeypatch.setattr(module, "GROUP_ROWS", 4)


def listed(names: str, **changed: Any) -> list[Entry]:
    return [Entry(name, 10, changed.get(name, 1), values={"place": "here"}) for name in names]


def begin(folder: Path, entries: list[Entry], broken: str = "") -> RunStore:
    folder.mkdir(exist_ok=True)
    run = RunStore(folder, RunRecord.of_embeddings({"real": len(entries)}, {"P2": 3}, block_rows=BLOCK))
    index.write_index(run, "real", entries, {"place": "text"})
    finish(run, broken)
    return run


def update_run(run: RunStore, entries: list[Entry], columns: dict[str, Kind] | None = None) -> Changes:
    """Do what the listing stage does."""
    rows, changes = update_index(run, "real", entries, columns or {"place": "text"})
    run.record.datasets["real"].listed = rows
    return changes


def finish(run: RunStore, broken: str = "") -> None:
    """Do what the embedding stage does."""
    rows = index.read_index(run, "real").num_rows
    create_pyramid(run, "real", {"P2": 3})
    entries = list(index.indexed_entries(run, "real"))
    for block in pending_blocks(run, "real"):
        stats: list[ImageStats] = [
            {"status": entry.status, "error": entry.error}
            if entry.status == "removed"
            else {"status": "unreadable" if entry.uri in broken else "ok", "error": ""}
            for entry in entries[block * BLOCK : min(rows, (block + 1) * BLOCK)]
        ]
        image_stats.write_image_stats(run, "real", block, stats)
        mark_done(run, "real", block)
    image_stats.merge_image_stats(run, "real")


def statuses(run: RunStore) -> dict[str, str]:
    table = index.read_index(run, "real").to_pandas()
    assert table["row"].tolist() == list(range(len(table)))
    return dict(zip(table["uri"], table["status"], strict=True))


def test_new_images_come_behind_the_old_ones_and_only_their_blocks_wait(tmp_path: Path) -> None:
    run = begin(tmp_path, listed("bdfhj"))
    changes = update_run(run, listed("abcdfhijk"))
    assert (changes.added, changes.removed, changes.embed) == (4, [], {})
    assert run.record.datasets["real"].listed == 9
    assert str(changes) == "4 added (a, c, i, ...)"
    assert list(statuses(run).items()) == [(name, "ok") for name in "bdfhj"] + [(name, "listed") for name in "acik"]
    create_pyramid(run, "real", {"P2": 3})
    assert pending_blocks(run, "real") == [2, 3, 4]
    finish(run)
    assert set(statuses(run).values()) == {"ok"}


def test_what_is_gone_is_rejected_and_what_changed_waits(tmp_path: Path) -> None:
    run = begin(tmp_path, listed("abcdefg"))
    changes = update_run(run, listed("abdefg", f=2))
    assert str(changes) == "1 removed (c), 1 changed (f)"
    assert statuses(run) == dict.fromkeys("abdeg", "ok") | {"c": "removed", "f": "listed"}
    assert pending_blocks(run, "real") == [1, 2]
    finish(run)
    assert statuses(run) == dict.fromkeys("abdefg", "ok") | {"c": "removed"}
    # Known to be gone: not missed again, and welcome when it comes back.
    assert not find_changes(run, "real", listed("abdefg", f=2))
    changes = update_run(run, listed("abcdefg", f=2))
    assert list(changes.embed) == [2]


def test_what_could_not_be_read_is_tried_again(tmp_path: Path) -> None:
    run = begin(tmp_path, listed("abc"), broken="b")
    changes = update_run(run, listed("abc"))
    assert list(changes.embed) == [1]
    finish(run)
    assert set(statuses(run).values()) == {"ok"}


def test_other_values_and_columns_need_no_embedding(tmp_path: Path) -> None:
    run = begin(tmp_path, listed("abc"))
    now = [Entry(name, 10, 1, values={"place": "there", "year": 7}) for name in "abc"]
    changes = update_run(run, now, {"place": "text", "year": "number"})
    assert str(changes) == "3 changed (a, b, c)"
    assert pending_blocks(run, "real") == []
    table = index.read_index(run, "real").to_pandas()
    assert table["meta.year"].tolist() == [7.0] * 3
    assert table["meta.place"].tolist() == ["there"] * 3
    assert table["status"].tolist() == ["ok"] * 3
    assert not find_changes(run, "real", now)


def test_an_update_that_was_stopped_is_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = begin(tmp_path, listed("abcde"))
    now = listed("bcdefgh", d=2)

    def crash(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", crash)
        with pytest.raises(KeyboardInterrupt):
            update_run(run, now)
    update_run(run, now)
    update_run(run, now)
    update_run(run, now)
    assert statuses(run) == dict.fromkeys("bce", "ok") | {"a": "removed"} | dict.fromkeys("dfgh", "listed")
    finish(run)
    assert statuses(run) == dict.fromkeys("bcdefgh", "ok") | {"a": "removed"}
    assert [child.name for child in (tmp_path / "index").iterdir()] == ["real.parquet"]


@pytest.mark.slow
@settings(max_examples=40)
@given(st.lists(st.sets(st.sampled_from("abcdefghijkl"), min_size=1), min_size=2, max_size=4))
def test_after_any_updates_the_read_rows_are_the_sources_images(
    tmp_path_factory: pytest.TempPathFactory, listings: list[set[str]]
) -> None:
    run = begin(tmp_path_factory.mktemp("run"), listed("".join(sorted(listings[0]))))
    for names in listings[1:]:
        update_run(run, listed("".join(sorted(names))))
        finish(run)
        found = statuses(run)
        assert run.record.datasets["real"].listed == len(found)
        assert {name for name, status in found.items() if status == "ok"} == names
        assert pending_blocks(run, "real") == []
