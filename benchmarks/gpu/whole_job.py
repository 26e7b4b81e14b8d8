"""The whole job in one command, from files to report, on a cluster of GPUs: the time of each stage."""

import json
from collections.abc import Iterator
from functools import partial

from gpu.pictures import SMALL, hard_links, jpegs
from gpu.stage import Part, Result, Setting
from typer.testing import CliRunner

from gapscope.bench.watch import Watch

_DISTINCT = 400


def _compare(count: int, setting: Setting) -> Iterator[Result]:
    """Compare two datasets of many links to a few distinct files, of which the second lacks a quarter.

    Raises:
        RuntimeError: the command fails.
    """
    from gapscope_cli.main import app

    distinct = jpegs(setting, setting.size(_DISTINCT, 8), setting.size(SMALL, (160, 120)))
    images, parent = setting.size(count, 24), setting.folder(f"whole-{count}")
    folders = {
        "real": hard_links(parent / "real", distinct, images // 2),
        "synthetic": hard_links(parent / "synthetic", distinct[len(distinct) // 4 :], images // 2),
    }
    sources = [f"{name}={folder}" for name, folder in folders.items()]
    options = ["--out", str(parent / "run"), "--model", "bundled", "--device", setting.device.name]
    options += ["--cluster", "cuda" if setting.on_gpu else "inline"]
    options += setting.size([], ["--size", "64", "--levels", "P5", "--n-epochs", "11"])
    yield {"images": images, "distinct": len(distinct), "options": options}
    with Watch() as watch:
        done = CliRunner().invoke(app, ["compare", *sources, *options])
    yield {"said": done.output.splitlines()[-40:], "watched": watch.facts()}
    if done.exit_code:
        raise RuntimeError(f"exit code {done.exit_code}: {done.output[-1500:]}") from done.exception
    stages = json.loads((parent / "run" / "run.json").read_text(encoding="utf-8"))["times"]
    yield {"stages": stages, "report_bytes": (parent / "run" / "report" / "index.html").stat().st_size}


PARTS: dict[str, Part] = {
    "20 thousand files": partial(_compare, 20_000),
    "100 thousand files": partial(_compare, 100_000),
}
