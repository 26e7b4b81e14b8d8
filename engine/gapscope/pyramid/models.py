"""The networks that gapscope can embed with, by name."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from gapscope.errors import OptionError
from gapscope.pyramid import bundled, detector
from gapscope.pyramid.level import Level
from gapscope.pyramid.weights import State

_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_INCEPTION = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@dataclass(frozen=True, kw_only=True)
class Model:
    """A network with a pyramid of maps, not yet built.

    Attributes:
        levels: its levels, fine to coarse.
        size: side in pixels of the images it is used with when the user does not say.
        mean: of each sRGB channel in 0..1, taken off the input.
        spread: that the input is divided by.
        build: makes the network with random weights; it maps (n, 3, height, width) to a map per level name.
        weights: finds the file of its own weights.
        renamed: gives a file's tensors the network's names.
    """

    levels: tuple[Level, ...]
    size: int
    mean: tuple[float, float, float]
    spread: tuple[float, float, float]
    build: Callable[[], nn.Module]
    weights: Callable[[], Path]
    renamed: Callable[[nn.Module, State], State]

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
                raise OptionError(f"--levels {name}: the model has {', '.join(known)}")
        if not names:
            raise OptionError(f"--levels: name at least one of {', '.join(known)}")
        return tuple(name for name in known if name in names)


MODELS: dict[str, Model] = {
    "fasterrcnn_resnet50_fpn_v2": Model(
        levels=detector.LEVELS,
        size=512,
        mean=_IMAGENET[0],
        spread=_IMAGENET[1],
        build=detector.DetectorTrunk,
        weights=detector.coco_weights,
        renamed=detector.renamed,
    ),
    "bundled": Model(
        levels=bundled.LEVELS,
        size=224,
        mean=_INCEPTION[0],
        spread=_INCEPTION[1],
        build=bundled.BundledTrunk,
        weights=bundled.packaged_weights,
        renamed=bundled.renamed,
    ),
}


def find_model(name: str) -> Model:
    """Return the model called `name`.

    Raises:
        OptionError: there is none.
    """
    if name not in MODELS:
        raise OptionError(f"--model {name!r}: choose one of {', '.join(MODELS)}")
    return MODELS[name]
