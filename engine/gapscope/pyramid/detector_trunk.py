"""A torchvision detector's backbone and FPN, and the whole detector where what it finds is to name images."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models import get_model_builder, get_model_weights

from gapscope.pyramid import pooled_fpn
from gapscope.pyramid.level import Outputs
from gapscope.pyramid.model import Trunk
from gapscope.pyramid.pool import mean
from gapscope.pyramid.weights import State, fit_state


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


class ObjectFinder(nn.Module):
    """A whole detector, as the probability that an image shows any object of a class: that of its surest box."""

    def __init__(self, detector: nn.Module, classes: int) -> None:
        super().__init__()
        self.detector, self.n_classes = detector, classes

    def forward(self, images: Tensor) -> Tensor:
        """Find objects in normalized images (n, 3, height, width); returns (n, classes) probabilities."""
        detector: Any = self.detector
        # The detector sees what the pyramid sees, neither resized nor normalized once more.
        detector.transform.min_size, detector.transform.max_size = (min(images.shape[2:]),), max(images.shape[2:])
        best = torch.zeros((len(images), self.n_classes), device=images.device)
        for number, found in enumerate(detector(list(images))):
            best[number].scatter_reduce_(0, found["labels"], found["scores"].float(), "amax")
        return best


def build_finder(name: str, state: State, path: Path) -> tuple[nn.Module, list[list[str]]]:
    """Return a whole detector and the names of its classes.

    Args:
        name: torchvision's name of the detector.
        state: tensors of a weights file.
        path: the file.

    Raises:
        WeightsError: they hold no heads, or other ones.
    """
    categories = get_model_weights(name)["COCO_V1"].meta["categories"]
    detector: nn.Module = get_model_builder(name)(
        weights=None,
        weights_backbone=None,
        num_classes=len(categories),
        image_mean=(0.0, 0.0, 0.0),
        image_std=(1.0, 1.0, 1.0),
    )
    # What a file holds besides a detector is of no use to it.
    expected = detector.state_dict()
    fit_state(detector, {key: value for key, value in state.items() if key in expected}, path)
    return ObjectFinder(detector, len(categories)), [[category] for category in categories]
