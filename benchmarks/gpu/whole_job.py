"""The whole job in one command, files to report: the time of each stage."""

import json
from functools import partial
from typing import Any

from gpu.pictures import SMALL, jpegs, named
from gpu.stage import Part, Setting
from typer.testing import CliRunner

from gapscope.bench.watch import Watch

_DISTINCT = 400


def _compare(count: int, setting: Setting) -> dict[str, Any]:
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
    options += setting.size([], ["--size", "64", "--levels", "P5", "--cluster", "inline", "--n-epochs", "11"])
    with Watch() as watch:
        done = CliRunner().invoke(app, ["compare", *sources, *options])
    if done.exit_code:
        raise RuntimeError(f"exit code {done.exit_code}: {done.output[-1500:]}") from done.exception
    times = json.loads((here / "run" / "run.json").read_text(encoding="utf-8"))["times"]
    page = here / "run" / "report" / "index.html"
    return {
        "images": images,
        "distinct": len(distinct),
        "stages": times,
        "report_bytes": page.stat().st_size,
        "watched": watch.facts(),
        "said": done.output.splitlines()[-40:],
    }


PARTS: dict[str, Part] = {"100 thousand files": partial(_compare, 100_000)}
