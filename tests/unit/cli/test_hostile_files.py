"""Nothing that can lie in a dataset stops the command, and nothing in it is lost: read plus rejected is listed."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest
from image_files import encode_image, find_torture_folder, gradient_image, write_image_files, write_tar_shards

import gapscope
from gapscope.progress import Silent, Task
from gapscope.sources.rejects import STATUSES

# A decoder of Pillow's that crashes its process, as native ones do; Python imports this by itself.
CRASHES = """
import os
from PIL import Image
def accept(start):
    if start.startswith(b"CRASH"):
        os.kill(os.getpid(), 11)
    return False
Image.register_open("ODD", lambda file, name: None, accept)
"""
WORDS_OF_DECODERS = re.compile(r"libpng|libjpeg|libtiff|TIFF|PIL|[Cc]orrupt|EXIF|DecompressionBomb|Traceback|tempfile")


# Takes from root, for the program that it is given, the right to read what a mode forbids (CAP_DAC_...).
WITHOUT_PRIVILEGE = """
import ctypes, os, sys
drop_from_bounding_set = 24
for over_permissions in (1, 2):
    ctypes.CDLL(None).prctl(drop_from_bounding_set, over_permissions, 0, 0, 0)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


@pytest.mark.slow
def test_the_command_reads_or_rejects_whatever_there_is(tmp_path: Path) -> None:
    torture = find_torture_folder()
    expected = {
        "made": write_image_files(tmp_path / "made"),
        "shards": write_tar_shards(tmp_path / "shards"),
    }
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(CRASHES)
    sources = [f"made={tmp_path}/made", f"shards={tmp_path}/shards/shard-{{000..001}}.tar"]
    sources += [f"torture={torture}"] if torture else []
    command = ["-m", "gapscope_cli", "compare", *sources, "--out", str(tmp_path / "run")]
    command += ["--model", "bundled", "--size", "64", "--levels", "P5", "--allow-missing"]
    command = [sys.executable, *(["-c", WITHOUT_PRIVILEGE] if os.geteuid() == 0 else []), *command]
    path = os.pathsep.join([str(tmp_path / "site"), *filter(None, sys.path)])
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
        env=os.environ | {"PYTHONPATH": path},
    )
    (tmp_path / "made" / "locked").chmod(0o700)
    assert done.returncode == 0, done.stderr
    assert not WORDS_OF_DECODERS.search(done.stderr + done.stdout), done.stderr

    run = gapscope.open_run(tmp_path / "run")
    rejects = pd.read_csv(tmp_path / "run" / "rejects.csv")
    for name, dataset in run.record.datasets.items():
        index = run.index(name)
        assert set(index["status"]) <= set(STATUSES) - {"listed"}
        rejected = index[index["status"] != "ok"]
        assert len(index) == dataset.listed == len(rejected) + (dataset.read or 0)
        assert len(rejected) == dataset.rejected
        assert rejected["error"].str.len().min() > 5
        assert rejects.loc[rejects["dataset"] == name, "row"].tolist() == rejected["row"].tolist()
        known = index.loc[
            index["status"] == "ok", ["encoded_bytes", "format", "width", "height", "mean_red", "std_blue"]
        ]
        assert known.notna().all(axis=None)
        if name in expected:
            start = f"{tmp_path}/made/" if name == "made" else f"{tmp_path}/shards/"
            found = dict(zip(index["uri"].str.removeprefix(start), index["status"], strict=True))
            found = {uri.partition("::")[2] or uri: status for uri, status in found.items()}
            assert found == expected[name]
    if torture:
        counts = run.record.datasets["torture"]
        assert counts.listed == len(list(torture.iterdir()))
        assert (counts.read or 0) >= 0.75 * counts.listed


class Meddler(Silent):
    """Does something to the files when their listing has ended."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def task(self, title: str, total: int, unit: str) -> Iterator[Task]:
        with super().task(title, total, unit) as task:
            yield task
        if title == "listing real":
            (self._folder / "gone.png").unlink()
            (self._folder / "other.png").write_bytes(encode_image(gradient_image(30, 30), "PNG"))
            (self._folder / "pipe.png").unlink()
            os.mkfifo(self._folder / "pipe.png")


def test_what_changes_between_listing_and_reading_is_rejected(tmp_path: Path) -> None:
    for folder in ("real", "synthetic"):
        (tmp_path / folder).mkdir()
        for number in range(4):
            (tmp_path / folder / f"{number}.png").write_bytes(encode_image(gradient_image(60 + number, 60), "PNG"))
    for name in ("gone.png", "other.png", "pipe.png"):
        (tmp_path / "real" / name).write_bytes(encode_image(gradient_image(), "PNG"))
    run = gapscope.compare(
        {"real": tmp_path / "real", "synthetic": tmp_path / "synthetic"},
        out=tmp_path / "run",
        model="bundled",
        levels=["P5"],
        size=64,
        cluster="inline",
        progress=Meddler(tmp_path / "real"),
    )
    rejects = pd.read_csv(tmp_path / "run" / "rejects.csv")
    assert {Path(uri).name: status for uri, status in zip(rejects["uri"], rejects["status"], strict=True)} == {
        "gone.png": "missing",
        "other.png": "changed",
        "pipe.png": "not-a-file",
    }
    real = run.record.datasets["real"]
    assert (real.listed, real.read, real.rejected) == (7, 4, 3)
