"""Warnings are errors in this project's tests. In this folder only gapscope's own are."""

from pathlib import Path

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let other packages warn: CUDA packages often meet a newer NumPy than they were made for."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.filterwarnings("default", "error:::gapscope"))
