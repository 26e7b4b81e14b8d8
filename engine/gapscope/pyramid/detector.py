"""The pyramids of torchvision's detectors, trained on COCO, without their heads."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from torch import nn

from gapscope.pyramid.level import Level, Outputs
from gapscope.pyramid.model import IMAGENET_MEAN, IMAGENET_STD, Model, Trunk
from gapscope.pyramid.weights import State, cached_download, download

_CHANNELS = 256
_PREFIX = "backbone."

FROM_P2: Outputs = {"0": "P2", "1": "P3", "2": "P4", "3": "P5", "pool": "P6"}
FROM_P3: Outputs = {"0": "P3", "1": "P4", "2": "P5", "p6": "P6", "p7": "P7"}
# Output 1 is left out: it has the stride of output 0, which already contains it.
FROM_P5: Outputs = {"0": "P5", "pool": "P6"}


def detector(name: str, outputs: Outputs, size: int) -> Model:
    """Return one of torchvision's detectors as a model.

    Args:
        name: torchvision's name of the detector, such as `fasterrcnn_resnet50_fpn`.
        outputs: the detector's outputs, and the levels that they become.
        size: default side of the input images in pixels.

    Example:
        >>> model = detector("retinanet_resnet50_fpn", FROM_P3, 512)
        >>> [(level.name, level.stride) for level in model.levels]
        [('P3', 8), ('P4', 16), ('P5', 32), ('P6', 64), ('P7', 128)]
    """
    return Model(
        levels=tuple(Level(level, 2 ** int(level[1:]), _CHANNELS) for level in outputs.values()),
        size=size,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        build=partial(_build_trunk, name, outputs),
        weights=partial(_weights, name),
        cached_weights=partial(_cached_weights, name),
        remap_state_dict=remap_state_dict,
        about=f"torchvision's {name}, trained on COCO",
        classifier=partial(_whole_detector, name),
    )


def _whole_detector(name: str, state: State, path: Path) -> tuple[nn.Module, Sequence[Sequence[str]]]:
    from gapscope.pyramid.detector_trunk import build_finder

    return build_finder(name, state, path)


def _build_trunk(name: str, outputs: Outputs) -> Trunk:
    from gapscope.pyramid.detector_trunk import DetectorTrunk

    return DetectorTrunk(name, outputs)


def _weights_url(name: str) -> str:
    from torchvision.models import get_model_weights

    return str(get_model_weights(name)["COCO_V1"].url)


def _weights(name: str) -> Path:
    return download(_weights_url(name))


def _cached_weights(name: str) -> Path | None:
    return cached_download(_weights_url(name))


def remap_state_dict(trunk: nn.Module, state: State) -> State:
    """Give the tensors of a whole detector, or of its backbone only, the names that `trunk` uses.

    Example:
        >>> import torch
        >>> remap_state_dict(nn.Module(), {"backbone.fpn.weight": torch.zeros(1), "rpn.weight": torch.zeros(1)})
        {'backbone.fpn.weight': tensor([0.])}
        >>> remap_state_dict(nn.Module(), {"fpn.weight": torch.zeros(1)})
        {'backbone.fpn.weight': tensor([0.])}
    """
    if any(name.startswith(_PREFIX) for name in state):
        return {name: value for name, value in state.items() if name.startswith(_PREFIX)}
    return {f"{_PREFIX}{name}": value for name, value in state.items()}
