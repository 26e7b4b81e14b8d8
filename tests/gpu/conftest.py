"""Warnings are errors in this project's tests, but in this folder only those that gapscope itself raises."""

from pathlib import Path

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let other packages warn: CUDA packages are often used with a newer NumPy than they were built for."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.filterwarnings("default", "error:::gapscope"))
