"""What a network must offer to be embedded with."""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

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
        """Map normalised images (n, 3, height, width) to maps (n, channels, h, w) by level."""

    def means(self, images: Tensor) -> dict[str, Tensor]:
        """Return the mean over space of every level's map: (n, channels), in single precision or better."""
        return {level: mean(found) for level, found in self(images).items()}

    def describe_mean_pooling(self, size: int) -> str:
        """Say how `means` comes about for images of `size` x `size` pixels: from whole maps, or by a short cut."""
        return "whole maps"


@dataclass(frozen=True, kw_only=True)
class Model:
    """A network with a pyramid of maps, not yet built.

    Attributes:
        levels: its levels, fine to coarse.
        size: side in pixels of the images it is used with when the user does not say.
        mean: of each sRGB channel in 0..1, taken off the input.
        std: that the input is divided by.
        build: makes the network with random weights.
        weights: finds the file of its own weights, downloading it where it must.
        remap_state_dict: gives a file's tensors the network's names.
        about: one line for people.
    """

    levels: tuple[Level, ...]
    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    build: Callable[[], Trunk]
    weights: Callable[[], Path]
    remap_state_dict: Callable[[nn.Module, State], State]
    about: str

    def choose_levels(self, names: tuple[str, ...] | None) -> tuple[str, ...]:
        """Return the named levels, fine to coarse; all of them for None.

        Raises:
            OptionError: the model has no such level, or none is named.
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
