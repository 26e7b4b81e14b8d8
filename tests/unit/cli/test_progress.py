import io
import sys

import pytest

from gapscope_cli.progress import shown_progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_pipe_gets_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with shown_progress() as progress:
        progress.note("a line")
        with progress.task("embedding", 10, "image") as task:
            task.advance(7, rejected=2)
            task.advance(3)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "a line"
    assert lines[1].startswith("embedding done in ")
    assert "10 of 10 images" in lines[1]
    assert "images/s" in lines[1]
    assert lines[1].endswith("2 rejected")
    assert len(lines) == 2


def test_long_work_in_a_pipe_says_now_and_then_how_far_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gapscope.progress_bars._SECONDS_BETWEEN_LINES", 0.0)
    with shown_progress() as progress, progress.task("embedding", 100, "image") as task:
        task.advance(50)
    assert "embedding: 50 of 100 images" in capsys.readouterr().err


def test_a_terminal_gets_bars_with_rate_and_rejects(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "160")
    with shown_progress() as progress:
        progress.note("[not] markup")
        with progress.task("embedding", 10, "image") as task:
            task.advance(10, rejected=2)
    shown = terminal.getvalue()
    assert "[not] markup" in shown
    assert "10/10" in shown
    assert "images/s" in shown
    assert "2 rejected" in shown
