"""What a network must offer to serve as a pyramid."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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

    def keep_levels(self, levels: Sequence[str]) -> None:
        """Be told which levels are wanted, so that others need not be computed; by default all are."""

    def class_tokens(self, images: Tensor) -> dict[str, Tensor]:
        """Return the class token of every level: (n, channels); of models with `has_class_token` alone."""
        raise NotImplementedError


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
        levels: its levels, fine to coarse; of a transformer, its blocks from first to last.
        default_levels: names of the levels that are kept where a user names none; None for all.
        size: default side of the input images in pixels.
        size_multiple: the side must be a multiple of this.
        one_size: whether the side must be `size`.
        has_class_token: whether the network has one, for `pool="cls"`.
        name: of a model that a program made with `from_callable`; empty for others.
        fingerprint: stands for the weights of such a model, which are in no file; empty for others.
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
    default_levels: tuple[str, ...] | None = None
    size: int
    size_multiple: int = 32
    one_size: bool = False
    has_class_token: bool = False
    name: str = ""
    fingerprint: str = ""
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    build: Callable[[], Trunk]
    weights: Callable[[], Path]
    cached_weights: Callable[[], Path | None]
    remap_state_dict: Callable[[nn.Module, State], State]
    about: str
    classifier: Callable[[State, Path], tuple[nn.Module, Sequence[Sequence[str]]]] | None = None

    def choose_levels(self, names: tuple[str, ...] | None) -> tuple[str, ...]:
        """Return the named levels once each, fine to coarse; the default ones for None, which are mostly all.

        Raises:
            OptionError: the model has no such level, or `names` is empty.

        Example:
            >>> from gapscope.pyramid import MODELS
            >>> MODELS["bundled"].choose_levels(("P5", "P2", "P5"))
            ('P2', 'P5')
        """
        known = tuple(level.name for level in self.levels)
        if names is None:
            return self.default_levels or known
        for name in names:
            if name not in known:
                raise OptionError(f"the model has {', '.join(known)}", argument="levels", value=name)
        if not names:
            raise OptionError(f"name at least one of {', '.join(known)}", argument="levels", value=())
        return tuple(name for name in known if name in names)

    def check_size(self, size: int) -> None:
        """Check that the network takes square images of a side in pixels.

        Raises:
            OptionError: it does not.

        Example:
            >>> from gapscope.pyramid import MODELS
            >>> MODELS["bundled"].check_size(100)
            Traceback (most recent call last):
            gapscope.errors.OptionError: size=100: must be a multiple of 32, so that every level halves the last
        """
        if self.one_size and size != self.size:
            raise OptionError(f"this model takes images of {self.size} pixels alone", argument="size", value=size)
        if size % self.size_multiple:
            why = ", so that every level halves the last" if self.size_multiple == 32 else ", the side of its patches"
            raise OptionError(f"must be a multiple of {self.size_multiple}{why}", argument="size", value=size)

    @classmethod
    def from_callable(
        cls,
        name: str,
        network: Callable[[Tensor], Any],
        *,
        size: int = 224,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        about: str = "",
    ) -> "Model":
        """Return any network as a model, to be given to `gapscope.compare` as `model`.

        It takes normalized images, (n, 3, size, size) float32, and returns vectors (n, channels) or maps (n, channels,
        height, width): one tensor, a tuple of them, or a dict by level. A single one is called `features`, those of a
        tuple `L1`, `L2` and so on. Maps are pooled over space as those of any model, and can show where in a picture
        something is. An `nn.Module` is copied, set to evaluation, and moved to the device; a function must compute
        where its input lies. Neither is compiled or changed otherwise.

        Args:
            name: of the model, by which the run knows it.
            network: the module or function.
            size: side of the images in pixels.
            mean: is subtracted from the input, per sRGB channel in 0..1.
            std: divides the input, per channel.
            about: one line for people.

        Raises:
            OptionError: the network fails on a black image, or returns something else.

        Example:
            >>> import torch
            >>> network = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 16, stride=16), torch.nn.ReLU())
            >>> model = Model.from_callable("patches", network, size=64)
            >>> [(level.name, level.stride, level.channels) for level in model.levels]
            [('features', 16, 8)]
        """
        from gapscope.pyramid.callable_model import model_of_callable

        return model_of_callable(name, network, size=size, mean=mean, std=std, about=about)
