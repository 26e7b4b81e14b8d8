"""The GPU tests fail on gapscope's own warnings, but not on those of the packages that it calls."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TESTS = """
import warnings

def test_numba_cuda_warns():
    warnings.warn_explicit("row_stack is deprecated", DeprecationWarning, "x.py", 1, module="numba_cuda.numba.cuda")

def test_gapscope_warns():
    warnings.warn_explicit("of our own", RuntimeWarning, "x.py", 1, module="gapscope.device.cuda")
"""


def test_only_our_own_warnings_are_errors(tmp_path: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for folder, conftest in (("gpu", True), ("other", False)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"test_{folder}.py").write_text(TESTS, encoding="utf-8")
        if conftest:
            shutil.copy(ROOT / "tests" / "gpu" / "conftest.py", tmp_path / folder)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "gpu", "other"]
    process = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    failed = {line.split()[1].split(" ")[0] for line in process.stdout.splitlines() if line.startswith("FAILED")}
    assert failed == {
        "gpu/test_gpu.py::test_gapscope_warns",
        "other/test_other.py::test_numba_cuda_warns",
        "other/test_other.py::test_gapscope_warns",
    }, process.stdout
