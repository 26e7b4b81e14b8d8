"""Small comparisons with planted kinds: vectors close together, far from a cloud that both datasets have."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from vector_run import compare_vectors

from gapscope.run import Run

PLAIN = 120
"""Images of the cloud."""


def points(seed: int, counts: dict[str, int]) -> tuple[NDArray[np.float64], list[str]]:
    """Images of one cloud and, after them, as many of each kind, which lie close together and far from the cloud."""
    random = np.random.default_rng(seed)
    parts, names = [random.normal(size=(PLAIN, 16))], ["plain"] * PLAIN
    for axis, (name, count) in enumerate(counts.items()):
        part = 0.3 * random.normal(size=(count, 16))
        part[:, axis] += 9
        parts.append(part)
        names += [name] * count
    return np.concatenate(parts), names


def compare_kinds(folder: Path, real: dict[str, int], synthetic: dict[str, int]) -> Run:
    """Compare two datasets that have as many images of each kind."""
    datasets = {"real": points(1, real), "synthetic": points(2, synthetic)}
    return compare_vectors(
        folder,
        {name: {"P3": own} for name, (own, _) in datasets.items()},
        metadata={name: [*names] for name, (_, names) in datasets.items()},
        metric="euclidean",
    )
