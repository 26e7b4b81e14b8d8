"""A run that somebody else sent: read, or refused in one line. Nothing outside it is written, run or waited for."""

import json
import os
import pickle
import shutil
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zarr
from fake_run import FakeRunSpec, write_fake_run
from fuzz_seeds import fuzz_settings, mutated_bytes, mutated_json, odd_values
from hypothesis import given
from hypothesis import strategies as st
from image_files import encode_image, gradient_image
from typer.testing import CliRunner, Result

from gapscope.progress import Silent
from gapscope.run import Run
from gapscope.stages.report import write_report
from gapscope.store.groups import write_groups
from gapscope_cli.main import app

NUMBERS = count()


@pytest.fixture(scope="module")
def intact(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run with a report, to make hostile copies of."""
    images = {"real": ["1.png", "2.png", "3.png"], "synthetic": ["1.png", "2.png"]}
    run = write_fake_run(tmp_path_factory.mktemp("whole"), FakeRunSpec(images=images, levels=("P2",), measured=True))
    write_groups(run.store, "real", ["a", "a", "b"])
    write_report(run.store, Silent())
    return run


REFUSED = (1, 2)
"""Damaged, or not a run that may be opened."""


@pytest.fixture
def copy(intact: Run, tmp_path: Path) -> Path:
    """A copy of the run, in a folder of its own."""
    return shutil.copytree(str(intact.path), tmp_path / "around" / "run")


def command(*args: object) -> Result:
    """Run gapscope; whatever happens, there is no traceback, and what is wrong is one line."""
    result = CliRunner().invoke(app, [str(arg) for arg in args])
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    assert result.exit_code in (0, 1, 2)
    assert "Traceback" not in result.stderr
    if result.exit_code:
        # What is broken is listed, line by line.
        assert result.stderr.splitlines()[-1].startswith(("gapscope: ", "broken: "))
    return result


def rewrite(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def write_image(folder: Path) -> None:
    folder.mkdir()
    (folder / "1.png").write_bytes(encode_image(gradient_image(), "PNG"))


def spoil(intact: Run, inside: Path, name: str, content: bytes) -> Path:
    """A copy of the run without its report, in which one file is another."""
    run = inside / f"run-{next(NUMBERS)}"
    shutil.copytree(str(intact.path), run, ignore=shutil.ignore_patterns("report"))
    (run / name).write_bytes(content)
    return run


@fuzz_settings(14)
@given(data=st.data())
@pytest.mark.parametrize("name", ["run.json", "metrics.json"])
def test_any_json(intact: Run, inside: Path, name: str, data: st.DataObject) -> None:
    content = data.draw(mutated_json(json.loads((intact.path / name).read_text())))
    run = spoil(intact, inside, name, json.dumps(content).encode())
    command("report", run)
    command("verify", run)
    shutil.rmtree(run)


@fuzz_settings(9)
@given(data=st.data())
@pytest.mark.parametrize(
    "name",
    ["layout.zarr/P2", "clusters.zarr/P2", "neighbors.zarr/P2/real-vs-synthetic/indices"],
)
def test_any_array_metadata(intact: Run, inside: Path, name: str, data: st.DataObject) -> None:
    seed = json.loads((intact.path / name / "zarr.json").read_text())
    run = spoil(intact, inside, f"{name}/zarr.json", json.dumps(data.draw(mutated_json(seed))).encode())
    command("report", run)
    command("verify", run)
    shutil.rmtree(run)


@fuzz_settings(9)
@given(data=st.data())
@pytest.mark.parametrize(
    "name", ["index/real.parquet", "groups/real.parquet", "manifests/P2.real-vs-synthetic.parquet"]
)
def test_any_table(intact: Run, inside: Path, name: str, data: st.DataObject) -> None:
    run = spoil(intact, inside, name, data.draw(mutated_bytes([(intact.path / name).read_bytes()])))
    command("report", run)
    command("export", run, "--to", "parquet")
    shutil.rmtree(run)


@pytest.mark.parametrize(
    "table",
    [
        {"row": [0, 1, 2], "group": ["a", None, "b"]},
        {"row": [0, 1, 2], "group": [1, 2, 3]},
        {"row": [0, 1, 2], "group": [["a"], ["b"], ["c"]]},
        {"row": [0, 1, 2]},
    ],
)
def test_a_strangers_groups_are_refused_in_one_line(copy: Path, table: dict[str, list[Any]]) -> None:
    pq.write_table(pa.table(table), copy / "groups" / "real.parquet")
    result = command("report", copy)
    assert result.exit_code in REFUSED
    assert "groups/real.parquet" in result.stderr


OUTWARD = [
    "../outside",
    "../../outside",
    "/etc/outside",
    "a/b",
    "..",
    "",
    "\x1b[2J",
    "<b>",
    "a" * 99,
]


@pytest.mark.parametrize("name", OUTWARD)
@pytest.mark.parametrize("field", ["dataset", "level", "network's level", "vectors", "reference"])
def test_names_that_would_be_paths_are_refused(copy: Path, name: str, field: str) -> None:
    def change(content: dict[str, Any]) -> None:
        config = content["config"]
        if field == "dataset":
            config["datasets"][name] = config["datasets"].pop("real")
            content["datasets"][name] = content["datasets"].pop("real")
        elif field == "level":
            content["model"]["levels"][0]["name"] = name
        elif field == "network's level":
            config["embed"]["levels"] = [name]
        elif field == "vectors":
            config["vectors"] = {"real": {name: "vectors.npy"}}
        else:
            config["compare"]["reference"] = name

    rewrite(copy / "run.json", change)
    for args in (["report", copy], ["serve", copy], ["export", copy, "--to", "parquet"], ["diff", copy, copy]):
        result = command(*args)
        assert result.exit_code in REFUSED
        assert "\x1b" not in result.stderr
    assert [path.name for path in copy.parent.iterdir()] == ["run"]


HUGE = {
    "rows": {"shape": [10**12, 3]},
    "across": {"shape": [5, 10**12]},
    "dimensions": {"shape": [5]},
    "chunks": {"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [2**40, 3]}}},
    "codec": {"codecs": [{"name": "bytes"}, {"name": "no-such-codec"}]},
    "type": {"data_type": "string"},
    "number": {"data_type": "complex128"},
    "no-type": {"data_type": {"name": "x", "configuration": {}}},
    "format": {"zarr_format": 4},
}


@pytest.mark.parametrize("change", HUGE.values(), ids=HUGE)
def test_arrays_that_claim_too_much_are_refused_before_memory_is_taken(copy: Path, change: dict[str, Any]) -> None:
    rewrite(copy / "layout.zarr" / "P2" / "zarr.json", lambda content: content.update(change))
    assert command("report", copy).exit_code in REFUSED


class Payload:
    """Writes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.mark),))


@pytest.mark.parametrize("part", ["filters", "compressor"])
@pytest.mark.parametrize("kind", ["|O", "<f4"])
def test_arrays_of_the_old_format_that_would_be_unpickled_are_refused(
    copy: Path, tmp_path: Path, part: str, kind: str
) -> None:
    codec = {"id": "pickle", "protocol": 4}
    metadata = {
        "zarr_format": 2,
        "shape": [5, 3],
        "chunks": [5, 3],
        "dtype": kind,
        "order": "C",
        "fill_value": 0,
        "compressor": None,
        "filters": None,
        part: [codec] if part == "filters" else codec,
    }
    array = copy / "layout.zarr" / "P2"
    shutil.rmtree(array)
    array.mkdir()
    (array / ".zarray").write_text(json.dumps(metadata))
    (array / "0.0").write_bytes(pickle.dumps(Payload(tmp_path / "mark")))
    assert command("report", copy).exit_code in REFUSED
    assert command("compare", f"a={array}", f"b={array}", "--out", tmp_path / "new").exit_code == 2
    assert not (tmp_path / "mark").exists()


def test_an_index_of_repeats_that_claims_millions_of_rows_is_refused(copy: Path) -> None:
    rows = 3_000_000
    uris = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), ["/etc/passwd"])
    pq.write_table(pa.table({"uri": uris}), copy / "index" / "real.parquet")
    rewrite(copy / "run.json", lambda content: content["datasets"]["real"].update(listed=rows))
    assert "claims 3,000,000 rows" in command("report", copy).stderr


def test_a_table_whose_columns_would_be_unpickled_is_read_as_plain_or_refused(copy: Path, tmp_path: Path) -> None:
    table = pq.read_table(copy / "index" / "real.parquet")
    for key in ("arrow.py_extension_type", "pandas.period", "arrow.opaque"):
        evil = {
            b"ARROW:extension:name": key.encode(),
            b"ARROW:extension:metadata": pickle.dumps(Payload(tmp_path / "mark")),
        }
        field = table.schema.field("uri").with_metadata(evil)
        schema = table.schema.set(table.schema.get_field_index("uri"), field)
        pq.write_table(table.cast(schema), copy / "index" / "real.parquet")
        command("report", copy)
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize(
    "name", ["log.txt", "lock.json", "report", "index/real.parquet", "manifests", "thumbnails", "run.json"]
)
def test_links_out_of_the_run_are_refused(copy: Path, tmp_path: Path, name: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "private.txt").write_text("private")
    inside = copy / name
    target = outside / "private.txt" if inside.suffix else outside
    if inside.is_dir():
        shutil.rmtree(inside)
    inside.unlink(missing_ok=True)
    inside.symlink_to(target)
    images = copy.parents[1] / "images"
    write_image(images)
    for args in (
        ["report", copy],
        ["serve", copy],
        ["verify", copy],
        ["compare", f"real={images}", f"synthetic={images}", "--out", copy, "--model", "bundled"],
    ):
        result = command(*args)
        assert result.exit_code in REFUSED
    assert [path.name for path in outside.iterdir()] == ["private.txt"]
    assert (outside / "private.txt").read_text() == "private"


def test_links_within_the_run_are_followed(copy: Path) -> None:
    (copy / "index").rename(copy / "moved")
    (copy / "index").symlink_to("moved")
    assert command("report", copy).exit_code == 0


@pytest.mark.parametrize("name", ["run.json", "metrics.json", "lock.json", "thumbnails/real/00000000.parquet"])
def test_pipes_do_not_block(copy: Path, name: str) -> None:
    (copy / name).parent.mkdir(parents=True, exist_ok=True)
    (copy / name).unlink(missing_ok=True)
    os.mkfifo(copy / name)
    for args in (["report", copy], ["verify", copy], ["diff", copy, copy]):
        assert "pipe" in command(*args).stderr
    images = copy.parents[1] / "images"
    write_image(images)
    args = [f"real={images}", f"synthetic={images}", "--out", copy, "--model", "bundled"]
    assert "pipe" in command("compare", *args).stderr


def test_nothing_in_a_run_reaches_the_page_as_markup(copy: Path) -> None:
    evil = "</script><img src=x onerror=alert(1)>\u2028"

    def change(content: dict[str, Any]) -> None:
        content["created"] = content["device"] = content["versions"]["gapscope"] = evil
        content["model"].update({"name": evil, "weights": evil, "pooling": evil})
        content["config"]["embed"]["model"] = content["config"]["datasets"]["real"] = evil
        content["times"] = {evil: {"seconds": 1.0, "done": 1, "unit": evil}}

    rewrite(copy / "run.json", change)
    rewrite(copy / "metrics.json", lambda content: content["datasets"]["real"].update(statuses={evil: 3}))
    assert command("report", copy).exit_code == 0
    for path in (copy / "report" / "data").iterdir():
        data = path.read_bytes()
        assert data.isascii()
        assert not set(data) & set(b"<>&")


def test_an_array_that_is_whole_in_another_way_is_read(copy: Path) -> None:
    """Chunks and codecs may be others, as long as they are a run's numbers."""
    path = copy / "layout.zarr"
    points = np.asarray(zarr.open_array(path, path="P2", mode="r")[...])
    array = zarr.create_array(path, name="P2", data=points, chunks=(2, 3), overwrite=True)
    array.attrs.update({"done": True, "aligned": True})
    assert command("report", copy).exit_code == 0


@given(value=odd_values)
@fuzz_settings(14)
def test_any_value_in_the_places_that_memory_depends_on(intact: Run, inside: Path, value: Any) -> None:
    content = json.loads((intact.path / "run.json").read_text())
    content["datasets"]["real"]["listed"] = content["block_rows"] = value
    run = spoil(intact, inside, "run.json", json.dumps(content).encode())
    command("report", run)
    command("verify", run)
    shutil.rmtree(run)
