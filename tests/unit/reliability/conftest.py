from pathlib import Path

import pytest
from whole_run import Folders, compare, content, write_images


@pytest.fixture(scope="package")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    return write_images(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="package")
def finished(folders: Folders, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An undisturbed run; tests work on copies of it."""
    run = tmp_path_factory.mktemp("undisturbed") / "run"
    compare(folders, run)
    return run


@pytest.fixture(scope="package")
def undisturbed(finished: Path) -> dict[str, bytes]:
    """What every run must end with."""
    return content(finished)
