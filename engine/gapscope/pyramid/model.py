"""What a network must offer to serve as a pyramid."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from gapscope.errors import OptionError
from gapscope.pyramid.level import Level
from gapscope.pyramid.pool import mean
from gapscope.pyramid.weights import State

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Trunk(nn.Module):
    """A network without its heads: images in, one map per level out."""

    @abstractmethod
    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Map normalized images (n, 3, height, width) to maps (n, channels, h, w) by level."""

    def pooled_means(self, images: Tensor) -> dict[str, Tensor]:
        """Return the mean over space of every level's map: (n, channels), in float32 or better."""
        return {level: mean(map_) for level, map_ in self(images).items()}

    def describe_mean_pooling(self, size: int) -> str:
        """Say how `pooled_means` is computed for `size` x `size` pixel images: from whole maps, or by a short cut."""
        return "whole maps"


class Normalization(nn.Module):
    """What a model does to pixels before its first layer: subtract a mean and divide by a spread, per channel."""

    mean: Tensor
    std: Tensor

    def __init__(self, model: "Model") -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(model.mean).view(1, 3, 1, 1) * 255.0, persistent=False)
        self.register_buffer("std", torch.tensor(model.std).view(1, 3, 1, 1) * 255.0, persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return (n, 3, height, width) uint8 pixels, sRGB, as normalized float32 images."""
        return (pixels.float() - self.mean) / self.std


@dataclass(frozen=True, kw_only=True)
class Model:
    """A network with a pyramid of maps, not yet built.

    Attributes:
        levels: its levels, fine to coarse.
        size: default side of the input images in pixels.
        mean: is subtracted from the input, per sRGB channel in 0..1.
        std: divides the input, per channel.
        build: builds the network with random weights.
        weights: returns the file of the network's own weights, and downloads it if this machine does not have it yet.
            Raises WeightsError where that fails.
        cached_weights: returns the same file if it is on this machine, else None; never downloads.
        remap_state_dict: gives the tensors of a weights file the names that the built network uses.
        about: one line for people.
        classifier: builds the whole network from the tensors of a weights file, given with its path; returns what turns
            normalized images (n, 3, height, width) into probabilities (n, classes), and the names of each class. Raises
            WeightsError where the tensors hold no head, or one of other classes. None for a model without a head.
    """

    levels: tuple[Level, ...]
    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    build: Callable[[], Trunk]
    weights: Callable[[], Path]
    cached_weights: Callable[[], Path | None]
    remap_state_dict: Callable[[nn.Module, State], State]
    about: str
    classifier: Callable[[State, Path], tuple[nn.Module, Sequence[Sequence[str]]]] | None = None

    def choose_levels(self, names: tuple[str, ...] | None) -> tuple[str, ...]:
        """Return the named levels once each, fine to coarse; all levels for None.

        Raises:
            OptionError: the model has no such level, or `names` is empty.

        Example:
            >>> from gapscope.pyramid import MODELS
            >>> MODELS["bundled"].choose_levels(("P5", "P2", "P5"))
            ('P2', 'P5')
        """
        known = tuple(level.name for level in self.levels)
        if names is None:
            return known
        for name in names:
            if name not in known:
                raise OptionError(f"the model has {', '.join(known)}", argument="levels", value=name)
        if not names:
            raise OptionError(f"name at least one of {', '.join(known)}", argument="levels", value=())
        return tuple(name for name in known if name in names)
