"""The pyramids of torchvision's detectors, trained on COCO, without their heads."""

from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models import WeightsEnum

from gapscope.pyramid.level import Level
from gapscope.pyramid.model import IMAGENET_MEAN, IMAGENET_SPREAD, Model, Trunk
from gapscope.pyramid.pool import mean
from gapscope.pyramid.pooled_fpn import pooled, short_cut_applies, sizes_allow
from gapscope.pyramid.weights import State, fetched

_CHANNELS = 256
_PREFIX = "backbone."

Outputs = dict[str, str]
"""A network's own names of its outputs, fine to coarse, to names by stride."""

FROM_P2: Outputs = {"0": "P2", "1": "P3", "2": "P4", "3": "P5", "pool": "P6"}
FROM_P3: Outputs = {"0": "P3", "1": "P4", "2": "P5", "p6": "P6", "p7": "P7"}
# Output 1 has the stride of output 0, which it is already added to.
FROM_P5: Outputs = {"0": "P5", "pool": "P6"}


class DetectorTrunk(Trunk):
    """A backbone with its FPN, as a detector uses it."""

    def __init__(self, detector: Callable[..., Any], outputs: Outputs) -> None:
        super().__init__()
        self.backbone = detector(weights=None, weights_backbone=None).backbone
        self.outputs = outputs
        self.linear = short_cut_applies(self.backbone.fpn)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Map normalised images (n, 3, height, width) to maps (n, 256, h, w) by level."""
        return self._by_level(self.backbone(images))

    def means(self, images: Tensor) -> dict[str, Tensor]:
        """Return the mean of every level's map, (n, 256), without computing the FPN's maps where that can be."""
        found = self.backbone.body(images)
        if self.linear and sizes_allow(list(found.values())):
            return self._by_level(pooled(self.backbone.fpn, found))
        return {level: mean(map_) for level, map_ in self._by_level(self.backbone.fpn(found)).items()}

    def way_to_means(self, size: int) -> str:
        """Say whether the nine sums stand in for the FPN's maps, and why not where they do not."""
        if not self.linear:
            return f"whole maps: {self.linear.reason}"
        # Shapes alone, at no cost.
        shapes = deepcopy(self.backbone.body).to("meta")(torch.empty(1, 3, size, size, device="meta"))
        return "nine sums" if sizes_allow(list(shapes.values())) else "whole maps: their sizes are no whole multiples"

    def _by_level(self, found: dict[str, Tensor]) -> dict[str, Tensor]:
        return {level: found[name] for name, level in self.outputs.items()}


def detector(build: Callable[..., Any], weights: WeightsEnum, outputs: Outputs, size: int = 512) -> Model:
    """Return one of torchvision's detectors as a model.

    Args:
        build: torchvision's function of that name.
        weights: its weights, as torchvision lists them.
        outputs: its outputs, and the names that they get.
        size: side in pixels of the images it is used with when the user does not say.
    """
    return Model(
        levels=tuple(Level(name, 2 ** int(name[1:]), _CHANNELS) for name in outputs.values()),
        size=size,
        mean=IMAGENET_MEAN,
        spread=IMAGENET_SPREAD,
        build=partial(DetectorTrunk, build, outputs),
        weights=partial(fetched, weights.url),
        renamed=renamed,
        about=f"torchvision's {build.__name__}, trained on COCO",
    )


def renamed(trunk: nn.Module, state: State) -> State:
    """Give the tensors of a whole detector, or of its backbone alone, the names of `trunk`."""
    if any(name.startswith(_PREFIX) for name in state):
        return {name: value for name, value in state.items() if name.startswith(_PREFIX)}
    return {f"{_PREFIX}{name}": value for name, value in state.items()}
