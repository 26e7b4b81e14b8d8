"""The wheel, and ordinary and editable installs of it, made offline in new virtual environments."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = (ROOT / "engine" / "gapscope", ROOT / "cli" / "gapscope_cli")
SOURCE_FILES = ("pyproject.toml", "README.md", "LICENSE", "engine", "cli")


@pytest.fixture(scope="module")
def version() -> str:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert isinstance(project["version"], str)
    return project["version"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the source distribution as for a release."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


def test_wheel_holds_every_file_of_both_packages_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        files = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert files == {
        path.relative_to(package.parent).as_posix()
        for package in PACKAGES
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_wheel_holds_types_page_script_and_license(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        files = archive.namelist()
        (entry_points,) = (name for name in files if name.endswith(".dist-info/entry_points.txt"))
        assert "gapscope = gapscope_cli.main:main" in archive.read(entry_points).decode()
    assert "gapscope/py.typed" in files
    assert {".css", ".html", ".js"} <= {Path(name).suffix for name in files if name.startswith("gapscope/report/")}
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in files)


def test_ordinary_install_works_without_the_source(wheel: Path, version: str, tmp_path: Path) -> None:
    python = create_environment(tmp_path / "environment")
    install(python, wheel)
    check_install(python, location=tmp_path / "environment", version=version)


def test_editable_install_uses_the_source_in_its_folder(version: str, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in SOURCE_FILES:
        copy(ROOT / name, source / name)
    python = create_environment(tmp_path / "environment")
    install(python, "--no-build-isolation", "--editable", source)
    check_install(python, location=source, version=version)


def create_environment(folder: Path) -> Path:
    """Create a virtual environment that can import the packages of this one, except those that .pth files add."""
    venv.create(folder, symlinks=True)
    site_packages = folder / "lib" / f"python{sysconfig.get_python_version()}" / "site-packages"
    package_folders = sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
    (site_packages / "zz-packages.pth").write_text("\n".join(package_folders), encoding="utf-8")
    return folder / "bin" / "python"


def install(python: Path, *arguments: str | Path) -> None:
    # Without --ignore-installed, pip would find the gapscope of the environment that runs the tests.
    run(
        python,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-index",
        "--no-deps",
        "--ignore-installed",
        *arguments,
        cwd=python.parent,
    )


def check_install(python: Path, *, location: Path, version: str) -> None:
    values = "gapscope.__version__, gapscope.__file__, gapscope_cli.__file__"
    code = f"import gapscope, gapscope_cli; print({values}, sep='\\n')"
    installed_version, *files = run(python, "-I", "-c", code, cwd=python.parent).splitlines()
    assert installed_version == version
    assert all(Path(file).is_relative_to(location) for file in files), files
    for command in ([python, "-I", "-m", "gapscope_cli"], [python.with_name("gapscope")]):
        assert version in run(*command, "--version", cwd=python.parent)


def copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command that must succeed, without the Python and pip variables of the test run; return its output."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PIP_"))}
    process = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert process.returncode == 0, f"{command} failed:\n{process.stdout}\n{process.stderr}"
    return process.stdout
