"""A dataset that changed is brought up to date: old rows stay where they are, and only what is new waits for work."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gapscope.sources.entry import Entry
from gapscope.store import index, update
from gapscope.store.changes import find_changes
from gapscope.store.pyramid import create_pyramid, mark_done, pending_blocks
from gapscope.store.update import update_index

BLOCK = 2


@pytest.fixture(autouse=True)
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (index, update):
        monkeypatch.setattr(module, "GROUP_ROWS", 4)


def listed(names: str, **changed: Any) -> list[Entry]:
    return [Entry(name, 10, changed.get(name, 1), values={"place": "here"}) for name in names]


def begin(run: Path, entries: list[Entry], broken: str = "") -> None:
    run.mkdir(exist_ok=True)
    index.write_index(run, "real", entries, {"place": "text"})
    create_pyramid(run, "real", len(entries), BLOCK, {"P2": 3})
    finish(run, broken)


def finish(run: Path, broken: str = "") -> None:
    """Do what the embedding stage does."""
    rows = index.read_index(run, "real").num_rows
    create_pyramid(run, "real", rows, BLOCK, {"P2": 3})
    for block in pending_blocks(run, "real"):
        start, stop = block * BLOCK, min(rows, (block + 1) * BLOCK)
        facts = [
            {"status": entry.status, "error": entry.error}
            if entry.status == "removed"
            else {"status": "unreadable" if entry.uri in broken else "ok", "error": ""}
            for entry in index.read_rows(run, "real", start, stop)
        ]
        index.write_image_stats(run, "real", block, facts)
        mark_done(run, "real", block)
    index.merge_image_stats(run, "real", BLOCK)


def statuses(run: Path) -> dict[str, str]:
    table = index.read_index(run, "real").to_pandas()
    assert table["row"].tolist() == list(range(len(table)))
    return dict(zip(table["uri"], table["status"], strict=True))


def test_new_images_come_behind_the_old_ones_and_only_their_blocks_wait(tmp_path: Path) -> None:
    begin(tmp_path, listed("bdfhj"))
    rows, changes = update_index(tmp_path, "real", listed("abcdfhijk"), {"place": "text"}, BLOCK)
    assert (rows, changes.added, changes.removed, changes.embed) == (9, 4, [], {})
    assert str(changes) == "4 added (a, c, i, ...)"
    assert list(statuses(tmp_path).items()) == [(name, "ok") for name in "bdfhj"] + [
        (name, "listed") for name in "acik"
    ]
    create_pyramid(tmp_path, "real", rows, BLOCK, {"P2": 3})
    assert pending_blocks(tmp_path, "real") == [2, 3, 4]
    finish(tmp_path)
    assert set(statuses(tmp_path).values()) == {"ok"}


def test_what_is_gone_is_rejected_and_what_changed_waits(tmp_path: Path) -> None:
    begin(tmp_path, listed("abcdefg"))
    _, changes = update_index(tmp_path, "real", listed("abdefg", f=2), {"place": "text"}, BLOCK)
    assert str(changes) == "1 removed (c), 1 changed (f)"
    assert statuses(tmp_path) == dict.fromkeys("abdeg", "ok") | {"c": "removed", "f": "listed"}
    assert pending_blocks(tmp_path, "real") == [1, 2]
    finish(tmp_path)
    assert statuses(tmp_path) == dict.fromkeys("abdefg", "ok") | {"c": "removed"}
    # Known to be gone: not missed again, and welcome when it comes back.
    assert not find_changes(tmp_path, "real", listed("abdefg", f=2))
    _, changes = update_index(tmp_path, "real", listed("abcdefg", f=2), {"place": "text"}, BLOCK)
    assert list(changes.embed) == [2]


def test_what_could_not_be_read_is_tried_again(tmp_path: Path) -> None:
    begin(tmp_path, listed("abc"), broken="b")
    _, changes = update_index(tmp_path, "real", listed("abc"), {"place": "text"}, BLOCK)
    assert list(changes.embed) == [1]
    finish(tmp_path)
    assert set(statuses(tmp_path).values()) == {"ok"}


def test_other_values_and_columns_need_no_embedding(tmp_path: Path) -> None:
    begin(tmp_path, listed("abc"))
    now = [Entry(name, 10, 1, values={"place": "there", "year": 7}) for name in "abc"]
    _, changes = update_index(tmp_path, "real", now, {"place": "text", "year": "number"}, BLOCK)
    assert str(changes) == "3 changed (a, b, c)"
    assert pending_blocks(tmp_path, "real") == []
    table = index.read_index(tmp_path, "real").to_pandas()
    assert table["meta.year"].tolist() == [7.0] * 3
    assert table["meta.place"].tolist() == ["there"] * 3
    assert table["status"].tolist() == ["ok"] * 3
    assert not find_changes(tmp_path, "real", now)


def test_an_update_that_was_stopped_is_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begin(tmp_path, listed("abcde"))
    now = listed("bcdefgh", d=2)

    def crash(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", crash)
        with pytest.raises(KeyboardInterrupt):
            update_index(tmp_path, "real", now, {"place": "text"}, BLOCK)
    update_index(tmp_path, "real", now, {"place": "text"}, BLOCK)
    update_index(tmp_path, "real", now, {"place": "text"}, BLOCK)
    update_index(tmp_path, "real", now, {"place": "text"}, BLOCK)
    assert statuses(tmp_path) == dict.fromkeys("bce", "ok") | {"a": "removed"} | dict.fromkeys("dfgh", "listed")
    finish(tmp_path)
    assert statuses(tmp_path) == dict.fromkeys("bcdefgh", "ok") | {"a": "removed"}
    assert [child.name for child in (tmp_path / "index").iterdir()] == ["real.parquet"]


@settings(max_examples=40)
@given(st.lists(st.sets(st.sampled_from("abcdefghijkl"), min_size=1), min_size=2, max_size=4))
def test_after_any_updates_the_read_rows_are_the_sources_images(
    tmp_path_factory: pytest.TempPathFactory, listings: list[set[str]]
) -> None:
    run = tmp_path_factory.mktemp("run")
    begin(run, listed("".join(sorted(listings[0]))))
    for names in listings[1:]:
        rows, _ = update_index(run, "real", listed("".join(sorted(names))), {"place": "text"}, BLOCK)
        finish(run)
        found = statuses(run)
        assert rows == len(found)
        assert {name for name, status in found.items() if status == "ok"} == names
        assert pending_blocks(run, "real") == []
