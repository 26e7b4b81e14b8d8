"""A network that a Python program has, as a model: any callable from images to vectors or maps."""

import copy
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gapscope.errors import OptionError, describe_error
from gapscope.pyramid.level import Level
from gapscope.pyramid.model import Model, Trunk
from gapscope.pyramid.weights import State

SINGLE = "features"
"""The level of a network that returns a single tensor."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LEVEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")


class CallableTrunk(Trunk):
    """Any callable as the trunk of a pyramid; a vector is a map of one place.

    Args:
        network: the module or function, which stays as it is.
    """

    def __init__(self, network: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.network = copy.deepcopy(network) if isinstance(network, nn.Module) else network

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Map normalized images (n, 3, height, width) to maps (n, channels, h, w) by level."""
        maps = {}
        for name, values in _by_level(self.network(images)).items():
            maps[name] = values[:, :, None, None] if values.ndim == 2 else values
        return maps


def _by_level(output: Any) -> dict[str, Tensor]:
    """Return what a network gives by the name of its level.

    Raises:
        TypeError: it is not made of vectors and maps.
    """
    if isinstance(output, Mapping):
        named = {str(name): values for name, values in output.items()}
    elif isinstance(output, list | tuple):
        named = {f"L{number}": values for number, values in enumerate(output, start=1)}
    else:
        named = {SINGLE: output}
    for name, values in named.items():
        if not isinstance(values, Tensor) or values.ndim not in (2, 4) or not values.is_floating_point():
            given = f"a tensor of shape {tuple(values.shape)}" if isinstance(values, Tensor) else type(values).__name__
            raise TypeError(
                f"{name} is {given}; give vectors (images, channels) or maps (images, channels, height, width), of "
                "floats"
            )
    if not named:
        raise TypeError("it returns nothing")
    return named


def model_of_callable(
    name: str,
    network: Callable[[Tensor], Any],
    *,
    size: int,
    mean: Sequence[float],
    std: Sequence[float],
    about: str,
) -> Model:
    """Return a network as a model; see `Model.from_callable`.

    Raises:
        OptionError: the network fails on a black image, or returns something else than vectors and maps.
    """
    if not _NAME.fullmatch(name):
        raise OptionError(f"model name {name!r}: use 1 to 64 letters, digits, '.', '_' or '-'")
    trunk = CallableTrunk(network).eval()
    place = next((tensor.device for tensor in trunk.state_dict().values()), torch.device("cpu"))
    try:
        with torch.inference_mode():
            maps = trunk(torch.zeros(2, 3, size, size, device=place))
    # A user's network may raise whatever it likes.
    except Exception as error:
        raise OptionError(
            f"model {name}: fails on two black images of {size} pixels: {describe_error(error)}"
        ) from error
    for level, values in maps.items():
        if not _LEVEL.fullmatch(level):
            raise OptionError(f"model {name}: level {level!r}: use 1 to 32 letters, digits, '_' or '-'")
        if values.shape[0] != 2:
            raise OptionError(f"model {name}: level {level} has {values.shape[0]} vectors for 2 images")
    return Model(
        name=name,
        levels=tuple(Level(level, _stride(values, size), int(values.shape[1])) for level, values in maps.items()),
        size=size,
        size_multiple=1,
        mean=_three(name, mean),
        std=_three(name, std),
        build=partial(CallableTrunk, network),
        weights=Path,
        cached_weights=_no_file,
        remap_state_dict=_as_it_is,
        about=about or f"{name}, from a Python program",
        fingerprint=_fingerprint(name, network),
    )


def _stride(values: Tensor, size: int) -> int:
    """Return the stride of a map in pixels, 0 for a vector."""
    return 0 if values.shape[-1] == 1 else max(1, round(size / values.shape[-1]))


def _three(name: str, values: Sequence[float]) -> tuple[float, float, float]:
    numbers = [float(value) for value in values]
    if len(numbers) != 3:
        raise OptionError(
            f"model {name}: mean and std have a number for red, green and blue, and this has {len(numbers)}"
        )
    return numbers[0], numbers[1], numbers[2]


def _fingerprint(name: str, network: Callable[[Tensor], Any]) -> str:
    """Return the SHA-256 of a module's weights, or of a function's name."""
    digest = hashlib.sha256(f"{name} {getattr(network, '__qualname__', type(network).__qualname__)}".encode())
    if isinstance(network, nn.Module):
        for key, tensor in network.state_dict().items():
            values = tensor.detach().cpu().contiguous()
            digest.update(f"{key} {values.dtype} {tuple(values.shape)}".encode())
            digest.update(values.view(torch.uint8).numpy().data if values.numel() else b"")
    return digest.hexdigest()


def _no_file() -> None:
    return None


def _as_it_is(trunk: nn.Module, state: State) -> State:
    del trunk
    return state
