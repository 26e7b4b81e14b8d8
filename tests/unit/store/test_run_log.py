import logging
from pathlib import Path

import pytest

import gapscope
from gapscope.progress import Silent
from gapscope.stages import pipeline
from gapscope.store.run_log import RunLog


def test_notes_and_ends_of_work_go_to_the_file_and_the_logger(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="gapscope")
    log = RunLog(Silent(), tmp_path)
    log.note("a note\nof two lines")
    with log.task("embedding", 10, "image") as task:
        task.advance(10, rejected=3)
    with pytest.raises(ZeroDivisionError), log.task("searching", 10, "image") as task:
        task.advance(4 // 0)
    assert all(record.name == "gapscope" for record in caplog.records)
    levels = [record.levelname for record in caplog.records]
    messages = [record.getMessage() for record in caplog.records]
    assert messages[0].startswith("gapscope ")
    assert messages[1] == "a note of two lines"
    assert messages[2].startswith("embedding: 10 images in ")
    assert messages[2].endswith(", 3 rejected")
    assert messages[3] == "searching stopped after 0 images: ZeroDivisionError: integer division or modulo by zero"
    assert levels == ["INFO", "INFO", "INFO", "WARNING"]
    lines = (tmp_path / "log.txt").read_text(encoding="utf-8").splitlines()
    assert [line.split(" ", 1)[1] for line in lines] == messages


def test_warnings_about_the_data_are_logged_as_warnings(
    small_run: gapscope.Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    datasets = {
        "a": {"warnings": [{"sentence": "all pictures of a are nearly black"}]},
        "b": {"warnings": []},
    }
    confounders = {"a-vs-b": {"warning": "the files alone tell a and b apart"}, "a-vs-c": {"warning": ""}}
    monkeypatch.setattr(pipeline, "read_metrics", lambda _: {"datasets": datasets, "confounders": confounders})
    pipeline._log_warnings(small_run.store)
    messages = ["all pictures of a are nearly black", "the files alone tell a and b apart"]
    assert caplog.record_tuples == [("gapscope", logging.WARNING, message) for message in messages]
