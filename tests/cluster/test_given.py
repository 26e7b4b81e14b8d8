"""Images, vectors and networks of a Python program on worker processes: the same bytes as in one process."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from quick_compare import read_run_files
from torch import Tensor, nn

import gapscope

COUNTS = (("real", 90), ("synthetic", 70))
OPTIONS: dict[str, Any] = {"n_epochs": 11, "heat_maps": "off"}


class Filters(nn.Module):
    """A network that no library has; workers get it with the first block."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.conv = nn.Conv2d(3, 16, 8, stride=8)

    def forward(self, images: Tensor) -> Tensor:
        maps: Tensor = self.conv(images).relu()
        return maps


def pictures(count: int, seed: int) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    for number in range(count):
        random = np.random.default_rng((seed, number))
        yield f"{seed}-{number:03d}", random.integers(0, 256, (24, 32, 3), dtype=np.uint8)


@pytest.mark.cluster
@pytest.mark.slow
def test_workers_give_the_bytes_of_one_process(tmp_path: Path) -> None:
    runs = {}
    for cluster in ("inline", "local"):
        runs[cluster] = gapscope.compare(
            {"real": pictures(90, 1), "synthetic": list(dict(pictures(70, 2)).values())},
            vectors={name: {"own": np.random.default_rng(len(name)).normal(size=(count, 6))} for name, count in COUNTS},
            levels=["features", "own"],
            model=gapscope.Model.from_callable("filters", Filters(), size=64),
            out=tmp_path / cluster,
            cluster=cluster,
            **OPTIONS,
        )
    assert runs["local"].levels == ("features", "own")
    assert read_run_files(tmp_path / "local") == read_run_files(tmp_path / "inline")
