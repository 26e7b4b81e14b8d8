"""Warnings are errors in this project's tests; here only its own, since the CUDA packages have theirs."""

from pathlib import Path

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let other packages warn in the tests of this folder: their next release meets NumPy's next, not we."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.filterwarnings("default", "error:::gapscope"))
