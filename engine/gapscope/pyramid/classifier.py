"""What a network was trained to name: the probability of each of its classes for an image, to say what a kind is."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from gapscope.errors import WeightsError
from gapscope.pyramid.model import Model, Normalization
from gapscope.pyramid.models import find_model
from gapscope.pyramid.weights import read_state, sha256_of
from gapscope.settings import EmbedSettings

CLASSES = "classes"
"""The name of a classifier's one output."""

SURE = 0.45
"""Mean probability from which on a class, or classes of one noun, name a kind. Textures that ImageNet has no class for
reach 0.40 (gravel, called a stone wall)."""
_NOUN_GAIN = 0.1


class Classifier(nn.Module):
    """A whole network with its own head.

    Attributes:
        classes: for each output, the class's names, the first one the usual.
    """

    def __init__(self, model: Model, network: nn.Module, classes: Sequence[Sequence[str]]) -> None:
        super().__init__()
        self.normalize = Normalization(model)
        self.network = network
        self.classes = classes

    def forward(self, pixels: Tensor) -> dict[str, Tensor]:
        """Classify a batch of images, (n, 3, height, width) uint8: (n, classes) float32 probabilities."""
        return {CLASSES: self.network(self.normalize(pixels)).float()}


def load_classifier(settings: EmbedSettings) -> Classifier | None:
    """Return the run's network with its own head; None where it has none, or the weights are not its own.

    Nothing is downloaded: the weights file that the run embeds with holds the head, or there is none.
    """
    model, path = find_model(settings.model), Path(settings.weights)
    if model.classifier is None or not path.exists() or sha256_of(path) != settings.weights_sha256:
        return None
    try:
        network, classes = model.classifier(read_state(path), path)
    except WeightsError:
        return None
    return Classifier(model, network, classes).eval().requires_grad_(False)


def name_classes(probabilities: NDArray[np.float32], classes: Sequence[Sequence[str]]) -> tuple[str, float] | None:
    """Return what images have in common, and how sure the network is; None where no class fits.

    Classes of one noun count together where that says more: of 0.6 Egyptian cat and 0.2 tiger cat, the cat.

    Args:
        probabilities: (n, classes) per image.
        classes: the names of each class.

    Example:
        >>> cats = [["Egyptian cat"], ["tiger cat", "tabby"], ["espresso"]]
        >>> name_classes(np.array([[0.5, 0.25, 0.25]]), cats), name_classes(np.array([[0.1, 0.1, 0.3]]), cats)
        (('cat', 0.75), None)
    """
    mean = probabilities.mean(axis=0)
    by_noun: dict[str, float] = defaultdict(float)
    for share, names in zip(mean.tolist(), classes, strict=True):
        for noun in {name.split(" ")[-1] for name in names}:
            by_noun[noun] += share
    best = int(np.argmax(mean))
    noun, of_noun = max(by_noun.items(), key=lambda item: item[1])
    name, of_name = classes[best][0], float(mean[best])
    if of_noun >= of_name + _NOUN_GAIN:
        name, of_name = noun, of_noun
    return (name, of_name) if of_name >= SURE else None
