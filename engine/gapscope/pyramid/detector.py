"""The pyramid of torchvision's Faster R-CNN ResNet-50 FPN v2 (Li et al. 2021), trained on COCO, without its heads."""

from pathlib import Path

from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN_ResNet50_FPN_V2_Weights, fasterrcnn_resnet50_fpn_v2

from gapscope.pyramid.level import Level
from gapscope.pyramid.weights import State, fetched

LEVELS = tuple(Level(f"P{n}", 2**n, 256) for n in range(2, 7))

_OUTPUTS = {"0": "P2", "1": "P3", "2": "P4", "3": "P5", "pool": "P6"}
_PREFIXES = ("module.backbone.", "backbone.")


class DetectorTrunk(nn.Module):
    """ResNet-50 with its FPN, as the detector uses it."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = fasterrcnn_resnet50_fpn_v2(weights=None, weights_backbone=None).backbone

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Map normalised images (n, 3, height, width) to maps (n, 256, h, w) by level."""
        return {_OUTPUTS[name]: level for name, level in self.backbone(images).items()}


def coco_weights() -> Path:
    """Return torchvision's COCO weights file, downloaded on first use.

    Raises:
        WeightsError: it is not in torch's cache and cannot be downloaded.
    """
    return fetched(FasterRCNN_ResNet50_FPN_V2_Weights.COCO_V1.url)


def renamed(trunk: nn.Module, state: State) -> State:
    """Give the tensors of a whole detector, or of its backbone alone, the names of `trunk`."""
    for prefix in _PREFIXES:
        if any(name.startswith(prefix) for name in state):
            return {
                f"backbone.{name.removeprefix(prefix)}": value
                for name, value in state.items()
                if name.startswith(prefix)
            }
    return {f"backbone.{name}": value for name, value in state.items()}
