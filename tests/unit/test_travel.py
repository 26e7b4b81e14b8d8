"""Runs that travel: continued, updated, moved and repeated without the command that began them."""

import shutil
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from quick_compare import OPTIONS, quick_compare, read_run_files, write_images
from typer.testing import CliRunner

import gapscope
from gapscope import OptionError, RunError, SourceError
from gapscope.config_file import read_config, write_config
from gapscope.sources import open_source
from gapscope.sources.relocated import Relocated, parse_relocations
from gapscope.stages.again import options_of, run_options
from gapscope_cli.main import app

WITHOUT = {"levels": None, "size": None}


def add_image(folder: str, name: str) -> None:
    pixels = np.random.default_rng(len(name)).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(Path(folder) / name)


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of a folder with `images` and a finished `run` of them, with options other than the defaults."""
    folder = tmp_path_factory.mktemp("travel") / "work"
    folders = write_images(folder / "images")
    quick_compare(folders, folder / "run", k=3, group={"real": "none", "synthetic": "none"}, max_points=40)
    shutil.copytree(folder, folder.with_name("pristine"))
    return folder.with_name("pristine")


@pytest.fixture
def begun(pristine: Path) -> tuple[dict[str, str], Path]:
    """Two folders of images, and a finished run of them: each test has them as they were made."""
    folder = pristine.with_name("work")
    shutil.rmtree(folder)
    shutil.copytree(pristine, folder)
    return {name: str(folder / "images" / name) for name in ("real", "synthetic")}, folder / "run"


def test_an_update_takes_everything_but_what_changed_from_the_run(begun: tuple[dict[str, str], Path]) -> None:
    folders, path = begun
    config = gapscope.open_run(path).record.config
    add_image(folders["real"], "new.png")
    run = gapscope.update(path, cluster="inline")
    assert run.record.config == config
    assert run.record.report.max_points == 40
    assert run.index("real")["uri"].iloc[-1].endswith("new.png")
    assert len(run.index("real")) == 42


@pytest.mark.slow
def test_datasets_are_added_and_dropped(begun: tuple[dict[str, str], Path], tmp_path: Path) -> None:
    folders, path = begun
    third = tmp_path / "third"
    shutil.copytree(folders["synthetic"], third)
    run = gapscope.update(path, {"third": str(third)}, cluster="inline")
    assert run.datasets == ("real", "synthetic", "third")
    run = gapscope.update(path, drop=["third"], cluster="inline")
    assert run.datasets == ("real", "synthetic")
    with pytest.raises(OptionError, match="the run has real, synthetic"):
        gapscope.update(path, drop=["other"])


def test_a_stopped_run_is_finished_without_its_command(
    begun: tuple[dict[str, str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders, path = begun
    stopped = tmp_path / "stopped"

    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    options = {"k": 3, "group": {"real": "none", "synthetic": "none"}, "max_points": 40}
    with monkeypatch.context() as context:
        context.setattr("gapscope.stages.pipeline.compute_layouts", stop)
        with pytest.raises(KeyboardInterrupt):
            quick_compare(folders, stopped, **options)
    with pytest.raises(RunError, match="`gapscope resume"):
        gapscope.open_run(stopped)
    gapscope.resume(stopped, cluster="inline")
    assert read_run_files(stopped) == read_run_files(path)


def test_going_on_takes_no_changes_over(begun: tuple[dict[str, str], Path]) -> None:
    folders, path = begun
    add_image(folders["real"], "new.png")
    with pytest.raises(RunError, match="has changed since this run was begun"):
        gapscope.resume(path, cluster="inline")


@pytest.mark.slow
def test_one_value_per_image_stays_as_long_as_the_images_do(tmp_path: Path) -> None:
    folders = write_images(tmp_path / "images")
    values = {"real": [number // 4 for number in range(41)], "synthetic": "none"}
    run = quick_compare(folders, tmp_path / "run", group=values)
    again = gapscope.update(tmp_path / "run", cluster="inline")
    pd.testing.assert_frame_equal(run.groups("real"), again.groups("real"))
    add_image(folders["real"], "new.png")
    with pytest.raises(OptionError, match=r"call `gapscope\.compare` with values for all"):
        gapscope.update(tmp_path / "run", cluster="inline")


def test_what_a_program_gave_is_told_to_be_given_again(tmp_path: Path) -> None:
    arrays = {name: {"v": np.random.default_rng(1).normal(size=(30, 4))} for name in ("real", "synthetic")}
    path = tmp_path / "run"
    gapscope.compare(arrays, out=path, n_epochs=11, cluster="inline")
    with pytest.raises(RunError, match="given by a Python program as arrays"):
        gapscope.update(path)
    assert gapscope.update(path, arrays, cluster="inline").levels == ("v",)
    tables = {name: [f"/{number}.jpg" for number in range(30)] for name in arrays}
    beside = gapscope.compare(tables, vectors=arrays, out=tmp_path / "beside", thumbnails="off", **OPTIONS | WITHOUT)
    assert beside.levels == ("v",)
    with pytest.raises(RunError, match="vectors of dataset real were given by a Python program as arrays"):
        gapscope.resume(tmp_path / "beside")
    # A model that a program made is as gone as its arrays.
    model = gapscope.Model.from_callable("gone", lambda images: images.mean((2, 3)), size=64)
    folders = write_images(tmp_path / "images")
    gapscope.compare(folders, model=model, out=tmp_path / "made", n_epochs=11, cluster="inline")
    gapscope.resume(tmp_path / "made", cluster="inline")
    del gapscope.MODELS["gone"]
    with pytest.raises(RunError, match="model gone was made by a Python program"):
        gapscope.resume(tmp_path / "made", cluster="inline")


def test_a_run_of_kept_images_is_continued_anywhere(tmp_path: Path) -> None:
    pictures = {
        name: [np.random.default_rng(number).integers(0, 256, (30, 40, 3), np.uint8) for number in range(count)]
        for name, count in (("real", 24), ("synthetic", 20))
    }
    gapscope.compare(pictures, out=tmp_path / "run", **OPTIONS)
    shutil.move(tmp_path / "run", tmp_path / "moved")
    run = gapscope.update(tmp_path / "moved", cluster="inline")
    entry = run.entries("real", np.array([3]))[0]
    assert run.source("real").read(entry)[1:4] == b"PNG"
    assert gapscope.verify(run.path).sound
    kept = tmp_path / "moved" / "images" / "real" / "00000000.parquet"
    damaged = bytearray(kept.read_bytes())
    damaged[len(damaged) // 2] ^= 255
    kept.write_bytes(damaged)
    (fault,) = gapscope.verify(run.path).faults
    assert (fault.path, fault.remedy) == (
        "images/real/00000000.parquet",
        "the Python program has to give dataset real again",
    )


def test_images_that_lie_elsewhere_are_found(begun: tuple[dict[str, str], Path], tmp_path: Path) -> None:
    folders, path = begun
    images = path.parent / "images"
    shutil.move(images, tmp_path / "elsewhere")
    moved = {str(images): str(tmp_path / "elsewhere")}
    with pytest.raises(SourceError, match=rf"there is no {folders['real']}; .* `relocate='{folders['real']}=NEW'`"):
        gapscope.update(path, cluster="inline")
    before = read_run_files(path)
    run = gapscope.update(path, relocate=moved, cluster="inline")
    assert run.record.config.datasets == folders
    assert read_run_files(path) == before
    opened = gapscope.open_run(path, relocate=moved)
    entry = opened.entries("real", np.array([5]))[0]
    assert entry.uri.startswith(folders["real"])
    assert opened.source("real").read(entry)[1:4] == b"PNG"


@pytest.mark.parametrize("given", ["file", "python"])
def test_absolute_names_in_lists_are_found_elsewhere(given: str, tmp_path: Path) -> None:
    folders = write_images(tmp_path / "images")
    lists: dict[str, Any] = {name: sorted(Path(folder).iterdir()) for name, folder in folders.items()}
    if given == "file":
        for name, paths in lists.items():
            (tmp_path / f"{name}.txt").write_text("\n".join(map(str, paths)))
        lists = {name: tmp_path / f"{name}.txt" for name in lists}
    run = quick_compare(lists, tmp_path / "run")
    shutil.move(tmp_path / "images", tmp_path / "elsewhere")
    before = read_run_files(run.path)
    moved = {str(tmp_path / "images"): str(tmp_path / "elsewhere")}
    again = gapscope.update(tmp_path / "run", relocate=moved, cluster="inline")
    assert read_run_files(again.path) == before
    entry = again.entries("real", np.array([5]))[0]
    assert gapscope.open_run(tmp_path / "run", relocate=moved).source("real").read(entry)[1:4] == b"PNG"


def test_a_copy_with_other_times_is_the_same_image(begun: tuple[dict[str, str], Path], tmp_path: Path) -> None:
    _, path = begun
    images = path.parent / "images"
    shutil.copytree(images, tmp_path / "elsewhere", copy_function=shutil.copyfile)
    relocate = [f"{images}={tmp_path}/elsewhere"]
    run = gapscope.open_run(path, relocate=relocate)
    entry = run.entries("real", np.array([5]))[0]
    assert run.source("real").read(entry)[1:4] == b"PNG"


def test_members_of_archives_are_found_elsewhere_too(tmp_path: Path) -> None:
    import zipfile

    add_image(str(tmp_path), "a.png")
    (tmp_path / "old").mkdir()
    with zipfile.ZipFile(tmp_path / "old" / "x.zip", "w") as archive:
        archive.write(tmp_path / "a.png", "a.png")
    (entry,) = open_source("real", f"{tmp_path}/old/x.zip").entries()
    (tmp_path / "old").rename(tmp_path / "new")
    moved = parse_relocations({f"{tmp_path}/old": f"{tmp_path}/new"})
    source = Relocated(open_source("real", moved.to_here(f"{tmp_path}/old/x.zip")), moved)
    assert list(source.entries()) == [entry]
    assert source.location == f"{tmp_path}/old/x.zip"
    assert source.read(entry)[1:4] == b"PNG"


@pytest.mark.parametrize("text", ["a", "=b", "a=", ""])
def test_a_place_that_says_nothing_is_refused(text: str) -> None:
    with pytest.raises(OptionError, match="write OLD=NEW"):
        parse_relocations([text])


def test_a_run_is_repeated_from_the_config_that_it_gives(begun: tuple[dict[str, str], Path], tmp_path: Path) -> None:
    _, path = begun
    file = tmp_path / "compare.toml"
    file.write_text(write_config(run_options(path)))
    arguments = read_config(file)
    again = gapscope.compare(arguments.pop("datasets"), out=tmp_path / "again", cluster="inline", **arguments)
    assert again.record.config == gapscope.open_run(path).record.config
    assert read_run_files(tmp_path / "again") == read_run_files(path)


def test_a_config_file_and_the_command_line(begun: tuple[dict[str, str], Path], tmp_path: Path) -> None:
    _, path = begun
    runner = CliRunner()
    written = runner.invoke(app, ["config", str(path)])
    assert written.exit_code == 0
    (tmp_path / "c.toml").write_text(written.stdout + '\n[relocate]\n"/nowhere" = "/elsewhere"\n')
    done = runner.invoke(
        app,
        ["compare", "--config", str(tmp_path / "c.toml"), "--out", str(tmp_path / "new"), "--k", "4", "--fdr", "0.1"],
    )
    assert done.exit_code == 0, done.stderr
    config = gapscope.open_run(tmp_path / "new").record.config
    assert (config.compare.k, config.embed.size) == (4, 64)
    assert config.datasets == gapscope.open_run(path).record.config.datasets


def test_paths_in_a_config_start_at_its_folder(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(
        'out = "runs/x"\nmax-points = 7\nspeedups = "none"\nvectors = ["real=v.npy::clip"]\n'
        '[datasets]\nreal = "photos"\nother = "/data"\nvectors = "vectors:v.npy"\nbucket = "s3://b/c"\n'
    )
    assert read_config(tmp_path / "c.toml") == {
        "out": f"{tmp_path}/runs/x",
        "max_points": 7,
        "speedups": [],
        "vectors": [f"real={tmp_path}/v.npy::clip"],
        "datasets": {
            "real": f"{tmp_path}/photos",
            "other": "/data",
            "vectors": f"vectors:{tmp_path}/v.npy",
            "bucket": "s3://b/c",
        },
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("levls = 3", "there is no option levls; did you mean levels?"),
        ("size = 'big'", "size is a whole number, not 'big'"),
        ("levels = 'P3'", "levels is a list of texts, not 'P3'"),
        ("fit = 'squeeze'", "fit is one of crop, stretch, pad, not 'squeeze'"),
        ("objects = 1", "objects is true or false, not 1"),
        ("fdr = '5%'", "fdr is a number, not '5%'"),
        ("out = 3", "out is a text, not 3"),
        ("group = 3", "group is a text, or a table of a text per dataset, not 3"),
        ("vectors = 3", "vectors is a list of texts, or a table, not 3"),
        ("[datasets]\nreal = 3", "has a line NAME"),
        ("datasets = 3", "has a line NAME"),
        ("= 3", "is no TOML file"),
    ],
)
def test_a_config_that_cannot_be_used_is_one_line(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(text)
    done = CliRunner().invoke(app, ["compare", "--config", str(tmp_path / "c.toml"), "--out", str(tmp_path / "run")])
    assert done.exit_code == 2
    (line,) = done.stderr.splitlines()
    assert message in line


def test_what_is_missing_is_told(tmp_path: Path) -> None:
    for args, message in (
        (["compare", "--config", str(tmp_path / "none.toml"), "--out", "r"], "cannot be read"),
        (["compare", "a=x", "b=y"], "--out is missing"),
        (["update", str(tmp_path)], "is not a gapscope run"),
        (["resume", str(tmp_path)], "is not a gapscope run"),
        (["config", str(tmp_path)], "is not a gapscope run"),
        (["update", str(tmp_path), "--relocate", "x"], "is not a gapscope run"),
    ):
        done = CliRunner().invoke(app, args)
        assert done.exit_code == 2
        assert message in done.stderr


def test_every_option_of_a_comparison_is_kept_or_says_where_work_runs(begun: tuple[dict[str, str], Path]) -> None:
    from gapscope.settings import OPTIONS as ALL
    from gapscope.settings import ExecutionSettings, RunSettings
    from gapscope.settings import options_of as fields_of

    kept = options_of(gapscope.open_run(begun[1]).record)
    of_command = {*fields_of(ExecutionSettings), *fields_of(RunSettings)} - {"allow_missing"}
    assert set(ALL) - of_command == set(kept) - {"datasets"}
    assert tomllib.loads(write_config(kept))["datasets"] == kept["datasets"]
