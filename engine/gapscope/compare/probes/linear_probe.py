"""A linear probe: multinomial logistic regression on a level's unit vectors."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

STRENGTH = 10.0
"""C of scikit-learn's LogisticRegression: larger fits the training set more closely."""

_MAX_STEPS = 200
_TOLERANCE = 1e-4
"""Largest entry of the gradient at which a fit is done, as scikit-learn has it."""
_TILE_ROWS = 8192


def linear_probe(
    vectors: NDArray[np.float32],
    labels: NDArray[np.int64],
    training: NDArray[np.int64],
    tested: NDArray[np.float32],
    device: torch.device,
) -> NDArray[np.int64]:
    """Train a probe on each of several sets of vectors, and return which class each takes the tested vectors for.

    It is scikit-learn's LogisticRegression with `class_weight="balanced"` and C = 10: every class weighs the same, and
    the intercept is not penalized. Fitted by L-BFGS (Liu and Nocedal 1989) in float64, so that the order of sums cannot
    change what is said of an image.

    Args:
        vectors: (n, d) that probes are trained on, of length 1.
        labels: (n,) numbers of their classes, 0 to c - 1; every training set has every class.
        training: (p, m) positions in `vectors` of each probe's training set.
        tested: (t, d) likewise.
        device: where it is computed.

    Returns:
        (p, t) numbers of classes.

    Example:
        >>> vectors = np.array([[1, 0], [0.8, 0.6], [-1, 0], [-0.8, 0.6]], np.float32)
        >>> training = np.array([[0, 1, 2, 3]])
        >>> linear_probe(vectors, np.array([0, 0, 1, 1]), training, vectors, torch.device("cpu")).tolist()
        [[0, 0, 1, 1]]
    """
    on_device = torch.from_numpy(vectors).to(device)
    targets = torch.from_numpy(labels).to(device)
    classes = int(labels.max()) + 1
    answers = np.empty((len(training), len(tested)), np.int64)
    for number, positions in enumerate(training):
        chosen = torch.from_numpy(positions).to(device)
        # Not from the probe before: that one knows the images that this one is tested on, and a start leaves traces.
        fitted = _fit(on_device[chosen].double(), targets[chosen], classes)
        for start in range(0, len(tested), _TILE_ROWS):
            tile = torch.from_numpy(tested[start : start + _TILE_ROWS]).to(device).double()
            answers[number, start : start + len(tile)] = _logits(tile, fitted).argmax(dim=1).cpu().numpy()
    return answers


def _fit(rows: Tensor, targets: Tensor, classes: int) -> Tensor:
    """Return the (d + 1, c) coefficients and, as the last row, intercepts of one training set."""
    coefficients = rows.new_zeros((rows.shape[1] + 1, classes), requires_grad=True)
    weights = 1 / torch.bincount(targets, minlength=classes).double()[targets] / classes
    penalty = 1 / (2 * STRENGTH * len(rows))
    solver = torch.optim.LBFGS(
        [coefficients],
        max_iter=_MAX_STEPS,
        tolerance_grad=_TOLERANCE,
        tolerance_change=0,
        history_size=20,
        line_search_fn="strong_wolfe",
    )

    def loss() -> Tensor:
        solver.zero_grad()
        entropies = torch.nn.functional.cross_entropy(_logits(rows, coefficients), targets, reduction="none")
        value = (weights * entropies).sum() + penalty * coefficients[:-1].square().sum()
        value.backward()
        return value

    solver.step(loss)
    return coefficients.detach()


def _logits(rows: Tensor, coefficients: Tensor) -> Tensor:
    return rows @ coefficients[:-1] + coefficients[-1]
