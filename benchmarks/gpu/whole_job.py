"""The whole job in one command, files to report, on a cluster of GPUs: the time of each stage."""

import json
from collections.abc import Iterator
from functools import partial

from gpu.pictures import SMALL, jpegs, named
from gpu.stage import Found, Part, Setting
from typer.testing import CliRunner

from gapscope.bench.watch import Watch

_DISTINCT = 400


def _compare(count: int, setting: Setting) -> Iterator[Found]:
    """Compare two datasets of files that are a few distinct ones under many names; one lacks a quarter of them."""
    from gapscope_cli.main import app

    distinct = jpegs(setting, setting.size(_DISTINCT, 8), setting.size(SMALL, (160, 120)))
    images, here = setting.size(count, 24), setting.folder(f"whole-{count}")
    folders = {
        "real": named(here / "real", distinct, images // 2),
        "synthetic": named(here / "synthetic", distinct[len(distinct) // 4 :], images // 2),
    }
    sources = [f"{name}={folder}" for name, folder in folders.items()]
    options = ["--out", str(here / "run"), "--model", "bundled", "--device", setting.device.name]
    options += ["--cluster", "cuda" if setting.on_gpu else "inline"]
    options += setting.size([], ["--size", "64", "--levels", "P5", "--n-epochs", "11"])
    yield {"images": images, "distinct": len(distinct), "options": options}
    with Watch() as watch:
        done = CliRunner().invoke(app, ["compare", *sources, *options])
    yield {"said": done.output.splitlines()[-40:], "watched": watch.facts()}
    if done.exit_code:
        raise RuntimeError(f"exit code {done.exit_code}: {done.output[-1500:]}") from done.exception
    stages = json.loads((here / "run" / "run.json").read_text(encoding="utf-8"))["times"]
    yield {"stages": stages, "report_bytes": (here / "run" / "report" / "index.html").stat().st_size}


PARTS: dict[str, Part] = {
    "20 thousand files": partial(_compare, 20_000),
    "100 thousand files": partial(_compare, 100_000),
}
