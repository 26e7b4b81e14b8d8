"""A torchvision detector's backbone and FPN."""

from copy import deepcopy

import torch
from torch import Tensor
from torchvision.models import get_model_builder

from gapscope.pyramid.detector import Outputs
from gapscope.pyramid.model import Trunk
from gapscope.pyramid.pool import mean
from gapscope.pyramid.pooled_fpn import pooled_means, short_cut_applies, sizes_allow


class DetectorTrunk(Trunk):
    """A backbone with its FPN, as a detector uses it."""

    def __init__(self, name: str, outputs: Outputs) -> None:
        super().__init__()
        self.backbone = get_model_builder(name)(weights=None, weights_backbone=None).backbone
        self.outputs = outputs
        self.linear = short_cut_applies(self.backbone.fpn)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Map normalised images (n, 3, height, width) to maps (n, 256, h, w) by level."""
        return self._by_level(self.backbone(images))

    def pooled_means(self, images: Tensor) -> dict[str, Tensor]:
        """Return the mean of every level's map, (n, 256), without computing the FPN's maps where that can be."""
        found = self.backbone.body(images)
        if self.linear and sizes_allow(list(found.values())):
            return self._by_level(pooled_means(self.backbone.fpn, found))
        return {level: mean(map_) for level, map_ in self._by_level(self.backbone.fpn(found)).items()}

    def describe_mean_pooling(self, size: int) -> str:
        """Say whether the nine sums stand in for the FPN's maps, and why not where they do not."""
        if not self.linear:
            return f"whole maps: {self.linear.reason}"
        # Shapes alone, at no cost.
        shapes = deepcopy(self.backbone.body).to("meta")(torch.empty(1, 3, size, size, device="meta"))
        return "pooled FPN" if sizes_allow(list(shapes.values())) else "whole maps: their sizes are no whole multiples"

    def _by_level(self, found: dict[str, Tensor]) -> dict[str, Tensor]:
        return {level: found[name] for name, level in self.outputs.items()}
