from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder beside which nothing may appear."""
    around = tmp_path_factory.mktemp("around")
    (around / "inside").mkdir()
    yield around / "inside"
    assert [path.name for path in around.iterdir()] == ["inside"]
