"""The pyramids of torchvision's detectors, trained on COCO, without their heads."""

from functools import partial
from pathlib import Path

from torch import nn

from gapscope.pyramid.level import Level
from gapscope.pyramid.model import IMAGENET_MEAN, IMAGENET_STD, Model, Trunk
from gapscope.pyramid.weights import State, download

_CHANNELS = 256
_PREFIX = "backbone."

Outputs = dict[str, str]
"""A network's own names of its outputs, fine to coarse, to names by stride."""

FROM_P2: Outputs = {"0": "P2", "1": "P3", "2": "P4", "3": "P5", "pool": "P6"}
FROM_P3: Outputs = {"0": "P3", "1": "P4", "2": "P5", "p6": "P6", "p7": "P7"}
# Output 1 has the stride of output 0, which it is already added to.
FROM_P5: Outputs = {"0": "P5", "pool": "P6"}


def detector(name: str, outputs: Outputs, size: int) -> Model:
    """Return one of torchvision's detectors as a model.

    Args:
        name: of torchvision's function that builds it.
        outputs: its outputs, and the names that they get.
        size: side in pixels of the images it is used with when the user does not say.
    """
    return Model(
        levels=tuple(Level(level, 2 ** int(level[1:]), _CHANNELS) for level in outputs.values()),
        size=size,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        build=partial(_trunk, name, outputs),
        weights=partial(_weights, name),
        remap_state_dict=remap_state_dict,
        about=f"torchvision's {name}, trained on COCO",
    )


def _trunk(name: str, outputs: Outputs) -> Trunk:
    from gapscope.pyramid.detector_trunk import DetectorTrunk

    return DetectorTrunk(name, outputs)


def _weights(name: str) -> Path:
    from torchvision.models import get_model_weights

    return download(get_model_weights(name)["COCO_V1"].url)


def remap_state_dict(trunk: nn.Module, state: State) -> State:
    """Give the tensors of a whole detector, or of its backbone alone, the names of `trunk`."""
    if any(name.startswith(_PREFIX) for name in state):
        return {name: value for name, value in state.items() if name.startswith(_PREFIX)}
    return {f"{_PREFIX}{name}": value for name, value in state.items()}
