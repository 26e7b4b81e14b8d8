"""A torchvision detector's backbone and FPN."""

from copy import deepcopy

import torch
from torch import Tensor
from torchvision.models import get_model_builder

from gapscope.pyramid import pooled_fpn
from gapscope.pyramid.level import Outputs
from gapscope.pyramid.model import Trunk
from gapscope.pyramid.pool import mean


class DetectorTrunk(Trunk):
    """A detector's backbone with its FPN."""

    def __init__(self, name: str, outputs: Outputs) -> None:
        super().__init__()
        self.backbone = get_model_builder(name)(weights=None, weights_backbone=None).backbone
        self.outputs = outputs
        self.short_cut = pooled_fpn.short_cut_applies(self.backbone.fpn)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Map normalized images (n, 3, height, width) to maps (n, 256, h, w) by level."""
        return self._by_level(self.backbone(images))

    def pooled_means(self, images: Tensor) -> dict[str, Tensor]:
        """Return the mean of every level's map, (n, 256), without computing the FPN's maps where that is possible."""
        maps = self.backbone.body(images)
        if self.short_cut and pooled_fpn.sizes_allow(list(maps.values())):
            return self._by_level(pooled_fpn.pooled_means(self.backbone.fpn, maps))
        return {level: mean(map_) for level, map_ in self._by_level(self.backbone.fpn(maps)).items()}

    def describe_mean_pooling(self, size: int) -> str:
        """Say whether `pooled_means` takes the short cut of `pooled_fpn`, and why not where it computes whole maps."""
        if not self.short_cut:
            return f"whole maps: {self.short_cut.reason}"
        # On the meta device only shapes are computed, at no cost.
        maps = deepcopy(self.backbone.body).to("meta")(torch.empty(1, 3, size, size, device="meta"))
        if pooled_fpn.sizes_allow(list(maps.values())):
            return "pooled FPN"
        return "whole maps: their sizes are no whole multiples"

    def _by_level(self, outputs: dict[str, Tensor]) -> dict[str, Tensor]:
        return {level: outputs[name] for name, level in self.outputs.items()}
