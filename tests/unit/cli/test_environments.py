"""The command under environments that are rare and stricter than usual."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

OPTIONS = ("--model", "bundled", "--levels", "P3", "--size", "64", "--n-epochs", "11", "--heat-maps", "off")


def compare(folder: Path, datasets: list[str], flags: list[str], **environment: str) -> str:
    command = [sys.executable, *flags, "-m", "gapscope_cli", "compare", *datasets, "--out", str(folder / "run")]
    ended = subprocess.run(
        [*command, *OPTIONS], env=os.environ | environment, cwd=folder, capture_output=True, check=True, text=True
    )
    return ended.stdout + ended.stderr


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["folder", "list"])
def test_names_that_are_not_ascii_under_a_plain_c_locale(tmp_path: Path, kind: str) -> None:
    random = np.random.default_rng(0)
    for name in ("caf\u00e9", "renders"):
        (tmp_path / name).mkdir()
        for number in range(12):
            pixels = random.integers(0, 256, (6, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).resize((40, 30)).save(tmp_path / name / f"\u00e9{number}.png")
    listed = "".join(f"caf\u00e9/\u00e9{number}.png\n" for number in range(12))
    (tmp_path / "list.txt").write_text(listed, encoding="utf-8")
    source = "caf\u00e9" if kind == "folder" else "list.txt"
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    shown = compare(tmp_path, [f"real={source}", "synthetic=renders"], [], **plain)
    assert "real: 12 listed = 12 read + 0 rejected" in shown


@pytest.mark.slow
def test_no_warning_of_a_library_ends_the_command(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for name in ("real", "synthetic"):
        pixels = random.integers(0, 256, (12, 40, 30, 3), dtype=np.uint8)
        np.save(tmp_path / f"{name}.npy", pixels)
    shown = compare(tmp_path, ["real=real.npy", "synthetic=synthetic.npy"], ["-W", "error"])
    assert "report" in shown
