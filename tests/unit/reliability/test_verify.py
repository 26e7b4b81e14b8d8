"""Whatever is broken in a run is found and named, taken out and made again, and no command chokes on it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zarr
from quick_compare import DatasetFolders, quick_compare, read_run_files
from typer.testing import CliRunner
from vector_run import compare_vectors

import gapscope
from gapscope.store import checksums
from gapscope.store.layouts import previous_layout, remove_results
from gapscope.store.run_store import open_store
from gapscope_cli.main import app


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    """Turn a bit in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def flip_a_value(path: Path) -> None:
    """Turn a bit at the end of the first column of a table; headers between pages have no checksum."""
    column = pq.read_metadata(path).row_group(0).column(0)
    start = column.dictionary_page_offset or column.data_page_offset
    data = bytearray(path.read_bytes())
    data[start + column.total_compressed_size - 2] ^= 1
    path.write_bytes(bytes(data))


DAMAGES: dict[str, list[tuple[Callable[[Path], None], str]]] = {
    "embeddings": [
        (cut, "pyramid.zarr/real/P3/c/0/0"),
        (flip, "pyramid.zarr/real/P5/c/1/0"),
        (Path.unlink, "pyramid.zarr/synthetic/P3/c/0/0"),
        (cut, "thumbnails/synthetic/00000000.parquet"),
    ],
    "what belongs to embeddings": [
        (flip, "pyramid.zarr/real/done/c/1"),
        (cut, "pyramid.zarr/synthetic/P5/zarr.json"),
        (cut, "pyramid.zarr/zarr.json"),
    ],
    "index": [(cut, "index/real.parquet"), (flip_a_value, "index/synthetic.parquet")],
    "results": [
        (flip, "neighbors.zarr/P3/real-vs-synthetic/indices/c/0/0"),
        (Path.unlink, "neighbors.zarr/P3/real-vs-real/distances/c/0/0"),
        (cut, "neighbors.zarr/P5/synthetic-vs-real/distances/zarr.json"),
        (Path.unlink, "neighbors.zarr/P5/zarr.json"),
        (flip, "layout.zarr/P3/c/0/0"),
        (Path.unlink, "clusters.zarr/P5/c/0"),
    ],
    "comparison": [
        (cut, "metrics.json"),
        (flip, "rejects.csv"),
        (cut, "manifests/P3.real-vs-synthetic.parquet"),
        (flip, "manifests/P5.synthetic-vs-real.csv"),
        (Path.unlink, "manifests/duplicates.parquet"),
        (cut, "manifests/kinds.parquet"),
        (cut, "gaps.json"),
        (flip, "gaps.csv"),
        (flip, "report/index.html"),
        (Path.unlink, "report/data/level-1.js"),
    ],
}
"""What is done to which files of one run."""


@pytest.mark.parametrize("of", DAMAGES)
def test_what_is_broken_is_named_taken_out_and_made_again(
    folders: DatasetFolders, undisturbed: dict[str, bytes], run: Path, of: str
) -> None:
    for damage, name in DAMAGES[of]:
        damage(run / name)
    looked = CliRunner().invoke(app, ["verify", str(run)])
    assert looked.exit_code == 1, looked.output
    assert "Traceback" not in looked.output
    lines = [line for line in looked.stderr.splitlines() if line.startswith("broken: ")]
    for _, name in DAMAGES[of]:
        # An array is named by its folder.
        assert any(name.startswith(line.split()[1].removesuffix("/zarr.json")) for line in lines), name
    assert "--repair" in looked.stdout
    mended = CliRunner().invoke(app, ["verify", str(run), "--repair"])
    assert mended.exit_code == 0, mended.output
    assert "Give the same `gapscope compare` command again" in mended.stdout
    looked = CliRunner().invoke(app, ["verify", str(run)])
    assert (looked.exit_code, "goes on with what is missing" in looked.stdout) == (0, True), looked.output
    quick_compare(folders, run)
    assert read_run_files(run) == undisturbed
    found = gapscope.verify(run)
    assert (found.sound, found.finished) == (True, True)


@pytest.mark.parametrize(
    ("damage", "name", "command"),
    [
        (cut, "index/real.parquet", "compare"),
        (cut, "pyramid.zarr/real/done/zarr.json", "compare"),
        (flip, "neighbors.zarr/P3/real-vs-synthetic/indices/c/0/0", "compare"),
        (flip, "layout.zarr/P5/c/0/0", "report"),
        (cut, "manifests/P3.real-vs-synthetic.parquet", "report"),
        (cut, "metrics.json", "report"),
        (cut, "metrics.json", "diff"),
        (cut, "gaps.json", "diff"),
        (Path.unlink, "gaps.json", "diff"),
        (flip, "pyramid.zarr/real/P3/c/0/0", "export"),
    ],
)
def test_a_command_on_a_damaged_run_is_one_line(
    folders: DatasetFolders, run: Path, damage: Callable[[Path], None], name: str, command: str
) -> None:
    damage(run / name)
    options = ["--model", "bundled", "--levels", "P3,P5", "--size", "64", "--n-epochs", "11", "--cluster", "inline"]
    given = {
        "compare": [*(f"{each}={source}" for each, source in folders.items()), "--out", str(run), *options],
        "report": [str(run)],
        "diff": [str(run), str(run)],
        "export": [str(run), "--to", "parquet"],
    }
    ended = CliRunner().invoke(app, [command, *given[command]])
    assert ended.exit_code == 1, (ended.output, ended.exception)
    lines = [line for line in ended.stderr.splitlines() if line.startswith("gapscope: ")]
    assert len(lines) == 1
    assert "damaged" in lines[0]
    assert f"`gapscope verify {run}" in lines[0]
    assert "Traceback" not in ended.output
    assert not (run / "lock.json").exists()


def lie(path: Path, change: Callable[[np.ndarray], None]) -> None:
    """Write other numbers, checksums and all."""
    array = zarr.open_array(path, mode="r+")
    values = np.asarray(array[...]).copy()
    change(values)
    array[...] = values


def test_numbers_that_cannot_be_are_faults_though_their_checksums_hold(run: Path) -> None:
    def out_of_range(values: np.ndarray) -> None:
        values[0, 0] = 10_000

    def swapped(values: np.ndarray) -> None:
        values[0, :2] = values[0, 1::-1]

    def of_a_rejected(values: np.ndarray) -> None:
        values[np.isnan(values[:, 0])] = 0.5

    def no_place(values: np.ndarray) -> None:
        values[np.flatnonzero(np.isfinite(values[:, 0]))[0]] = np.nan

    lie(run / "neighbors.zarr/P3/real-vs-synthetic/indices", out_of_range)
    lie(run / "neighbors.zarr/P5/real-vs-real/distances", swapped)
    lie(run / "pyramid.zarr/synthetic/P3", of_a_rejected)
    lie(run / "layout.zarr/P3", no_place)
    record = json.loads((run / "run.json").read_text())
    record["datasets"]["real"]["read"] += 1
    record["scaler"]["P5"]["std"][0] = 0.0
    (run / "run.json").write_text(json.dumps(record))
    found = gapscope.verify(run)
    assert {(fault.part, fault.where) for fault in found.faults} == {
        ("neighbors", ("P3", "real", "synthetic")),
        ("neighbors", ("P5", "real", "real")),
        ("block", ("synthetic", "0")),
        ("layout", ("P3",)),
        ("comparison", ()),
        ("scaler", ("P5",)),
    }


@pytest.fixture(scope="module")
def with_kinds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two kinds: 20 images each that lie close together, far from the others and from each other."""
    points = np.random.default_rng(1).normal(size=(200, 16))
    for axis, rows in enumerate((slice(160, 180), slice(180, 200))):
        points[rows] *= 0.3
        points[rows, axis] += 9
    path = tmp_path_factory.mktemp("kinds") / "run"
    run = compare_vectors(
        path,
        {"real": {"P3": points}, "synthetic": {"P3": np.random.default_rng(2).normal(size=(160, 16))}},
        metric="euclidean",
    )
    assert run.gaps["id"].tolist() == ["K1", "K2"]
    return path


def rewrite_table(path: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    table = pq.read_table(path)
    changed = change(table.to_pandas())
    pq.write_table(pa.Table.from_pandas(changed, table.schema, preserve_index=False), path)


MANIFEST = "manifests/P3.real-vs-synthetic.parquet"
MEMBERS = "manifests/kinds.parquet"
LIES: list[tuple[str, Callable[[Path], object], str]] = [
    (MEMBERS, lambda path: rewrite_table(path, lambda members: members.iloc[1:]), "other numbers of images per kind"),
    (
        MEMBERS,
        lambda path: rewrite_table(path, lambda members: members.assign(row=members["row"] - 1)),
        "not in the index",
    ),
    (MEMBERS, lambda path: rewrite_table(path, lambda members: members.assign(dataset="strange")), "images per kind"),
    (MEMBERS, lambda path: rewrite_table(path, lambda members: members.assign(uri="/x.png")), "not in the index"),
    (MANIFEST, lambda path: rewrite_table(path, lambda listed: listed.assign(kind="K3")), "names kinds that are not"),
    ("gaps.csv", lambda path: path.write_text("".join(path.read_text().splitlines(True)[:-1])), "has other kinds than"),
    ("gaps.json", lambda path: path.write_text(path.read_text().replace('"real"', '"reel"')), "cannot be read"),
    ("gaps.json", Path.unlink, "is missing"),
]
"""Files of kinds, what is done to them, and what is said of them."""


@pytest.mark.parametrize(("name", "lie_of", "said"), LIES)
def test_kinds_that_do_not_agree_are_found_though_their_checksums_hold(
    with_kinds: Path, tmp_path: Path, name: str, lie_of: Callable[[Path], object], said: str
) -> None:
    path = Path(shutil.copytree(with_kinds, tmp_path / "run"))
    assert gapscope.verify(path).sound
    sums = [line.split("  ")[1] for line in (path / checksums.NAME).read_text().splitlines()]
    lie_of(path / name)
    checksums.write_checksums(path, [each for each in sums if (path / each).exists()])
    faults = gapscope.verify(path).faults
    assert {(fault.path, fault.part) for fault in faults} == {(name, "comparison")}
    assert any(said in fault.problem for fault in faults)
    # Nobody shall take what is left of it for what the run found.
    gapscope.verify(path, repair=True)
    assert not [left for left in ("gaps.json", "gaps.csv", "manifests", "metrics.json") if (path / left).exists()]
    found = gapscope.verify(path)
    assert (found.sound, found.finished) == (True, False)


def test_a_run_json_that_is_damaged_is_the_one_thing_that_cannot_be_mended(run: Path) -> None:
    cut(run / "run.json")
    for options in ([], ["--repair"]):
        looked = CliRunner().invoke(app, ["verify", str(run), *options])
        assert looked.exit_code == 1
        assert "run.json" in looked.stderr
        assert "another --out" in looked.stderr
        assert "Traceback" not in looked.output


def test_one_earlier_map_that_is_broken_is_taken_out_and_the_others_stay(run: Path) -> None:
    remove_results(open_store(run), neighbors=False)
    cut(run / "previous_layout.zarr/P3/real/zarr.json")
    faults = gapscope.verify(run).faults
    assert [fault.path for fault in faults] == ["previous_layout.zarr/P3/real"]
    assert gapscope.verify(run, repair=True).repaired
    assert gapscope.verify(run).sound
    assert not (run / "previous_layout.zarr/P3/real").exists()
    assert previous_layout(open_store(run), "P3", "synthetic") is not None


def test_verify_writes_nothing(run: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in sorted(run.rglob("*"))}
    assert gapscope.verify(run).sound
    assert {path: path.stat().st_mtime_ns for path in sorted(run.rglob("*"))} == before


def test_flags_are_set_when_their_data_is_on_the_disk(
    folders: DatasetFolders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that loses power forgets what was not flushed: a flag must not be all that is left."""
    events: list[str] = []

    def flush(path: Path) -> None:
        events.append(str(path.relative_to(tmp_path / "run")))

    def flag(_: Path, dataset: str, block: int) -> None:
        events.append(f"flag {dataset} {block}")

    monkeypatch.setattr("gapscope.store.pyramid.flush", flush)
    monkeypatch.setattr("gapscope.stages.block.mark_done", flag)

    def end(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("gapscope.stages.embed.merge_image_stats", end)
    with pytest.raises(KeyboardInterrupt):
        quick_compare(folders, tmp_path / "run")
    for dataset, blocks in (("real", 2), ("synthetic", 1)):
        for block in range(blocks):
            done = events.index(f"flag {dataset} {block}")
            for level in ("P3", "P5"):
                assert events.index(f"pyramid.zarr/{dataset}/{level}/c/{block}/0") < done
