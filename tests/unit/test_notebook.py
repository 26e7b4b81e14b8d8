"""gapscope in a notebook: the example runs, and what it shows is short, has pictures and is escaped."""

import json
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from quick_compare import quick_compare, write_images

import gapscope
from gapscope import progress_bars
from gapscope.progress import Silent
from gapscope.report.notebook import run_html

EXAMPLE = Path(__file__).parents[2] / "examples" / "notebook.ipynb"


def read_example() -> Any:
    reader: Any = nbformat
    return reader.read(EXAMPLE, as_version=4)


@pytest.mark.slow
def test_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    notebook = read_example()
    client = NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    texts = json.dumps(outputs)
    assert "error" not in {output["output_type"] for output in outputs}
    # Progress, cards with pictures, a figure and the page.
    assert "<progress" in texts
    assert "data:image/jpeg;base64," in texts
    assert "application/vnd.plotly" in texts
    assert "<iframe srcdoc=" in texts


def test_the_example_is_kept_without_outputs() -> None:
    notebook = read_example()
    nbformat.validate(notebook)
    assert not any(cell.get("outputs") for cell in notebook.cells)


def test_a_run_is_one_line(small_run: gapscope.Run) -> None:
    text = repr(small_run)
    assert re.fullmatch(r"<Run /.*: real, synthetic at P2, P3, P4, P5, P6; \d+ kinds?>", text)


def test_cards_have_pictures_and_say_each_gap_once(small_run: gapscope.Run) -> None:
    shown = small_run._repr_html_()
    kinds = small_run.gaps_record["kinds"]
    assert kinds
    assert shown.count("data:image/jpeg;base64,") >= 3
    for kind in kinds:
        assert (f"{kind['id']} · " in shown) == (kind["mirror"] is None or kind["id"] < kind["mirror"])
    assert len(shown) < 2_000_000


def test_names_of_strangers_are_escaped(small_run: gapscope.Run) -> None:
    gaps = small_run.gaps_record
    hostile: Any = {**gaps, "kinds": [{**gap, "name": "<script>alert(1)</script>"} for gap in gaps["kinds"]]}
    shown = run_html(small_run.store, hostile, small_run.metrics)
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown


def test_the_page_is_in_the_frame_itself(small_run: gapscope.Run) -> None:
    frame = small_run.show(height=500)
    shown = frame._repr_html_()
    assert shown.startswith("<iframe srcdoc=")
    assert "height:500px" in shown
    # A stranger's page may run scripts, and reach nothing around it.
    assert re.search(r'sandbox="[^"]*"', shown)[0] == 'sandbox="allow-scripts allow-downloads allow-popups"'  # type: ignore[index]
    assert shown.count("<") == 2
    assert "MB" in repr(frame)


class _Display:
    """What IPython.display does, without a notebook."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def update(self, picture: Any) -> None:
        self.shown.append(picture.data)


def test_bars_in_a_notebook_are_one_output(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    handle = _Display()
    monkeypatch.setattr(progress_bars, "in_notebook", lambda: True)
    monkeypatch.setattr("IPython.display.display", lambda *_, **__: handle)
    quick_compare(write_images(tmp_path / "images<b>"), tmp_path / "run")
    last = handle.shown[-1]
    assert last.count("<progress") >= 6
    assert "52 images" in last or "54 images" in last
    assert "<b>" not in last
    assert "1 rejected" in last or "2 rejected" in last


def test_nothing_is_shown_where_nobody_looks(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folders = write_images(tmp_path / "images")
    quick_compare(folders, tmp_path / "run")
    assert capsys.readouterr() == ("", "")
    quick_compare(folders, tmp_path / "run", progress=True)
    assert "listing real" in capsys.readouterr().err
    for progress in (None, False):
        with progress_bars.chosen_progress(progress) as shown:
            assert isinstance(shown, Silent)
