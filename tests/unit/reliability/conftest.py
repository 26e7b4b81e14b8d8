from pathlib import Path

import pytest
from quick_compare import DatasetFolders, quick_compare, read_run_files, write_images


@pytest.fixture(scope="package")
def folders(tmp_path_factory: pytest.TempPathFactory) -> DatasetFolders:
    return write_images(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="package")
def finished(folders: DatasetFolders, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An undisturbed run; tests work on copies of it."""
    run = tmp_path_factory.mktemp("undisturbed") / "run"
    quick_compare(folders, run)
    return run


@pytest.fixture(scope="package")
def undisturbed(finished: Path) -> dict[str, bytes]:
    """What every run must end with."""
    return read_run_files(finished)
