"""Folding batch norms changes only the last bits, and removes every batch norm that it can."""

from typing import Any

import pytest
import timm
import torch
from torch import Tensor, nn
from torchvision.models import resnet18
from torchvision.ops import FrozenBatchNorm2d
from torchvision.ops.misc import Conv2dNormActivation

from gapscope.pyramid import MODELS
from gapscope.pyramid.fold import fold


def with_statistics(network: Any) -> Any:
    generator = torch.Generator().manual_seed(0)
    for name, buffer in network.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(std=0.2, generator=generator)
        elif name.endswith("running_var"):
            buffer.uniform_(0.5, 2, generator=generator)
    return network.double().eval()


def count_norms(network: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm2d | FrozenBatchNorm2d) for module in network.modules())


@pytest.mark.parametrize(
    "build",
    [
        resnet18,
        lambda: resnet18(norm_layer=FrozenBatchNorm2d),
        pytest.param(lambda: timm.create_model("tf_efficientnet_lite0"), marks=pytest.mark.slow),
        lambda: timm.create_model("regnety_002"),
        MODELS["bundled"].build,
        pytest.param(MODELS["fasterrcnn_mobilenet_v3_large_fpn"].build, marks=pytest.mark.slow),
        pytest.param(MODELS["retinanet_resnet50_fpn"].build, marks=pytest.mark.slow),
    ],
)
def test_every_norm_after_a_convolution_is_removed_and_the_output_stays(build: Any) -> None:
    network = with_statistics(build())
    images = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    with torch.inference_mode():
        before = network(images)
        n_norms = count_norms(network)
        assert fold(network) == n_norms > 0
        after = network(images)
    assert count_norms(network) == 0
    pairs = zip(before.values(), after.values(), strict=True) if isinstance(before, dict) else [(before, after)]
    for expected, actual in pairs:
        assert (actual - expected).norm() <= 1e-10 * expected.norm()


class Shared(nn.Module):
    """A convolution whose output is read twice, another that runs twice, and one that can be folded."""

    def __init__(self) -> None:
        super().__init__()
        self.read_twice, self.first = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)
        self.run_twice, self.second = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)
        self.foldable = Conv2dNormActivation(3, 3, 1)

    def forward(self, images: Tensor) -> Tensor:
        once = self.read_twice(images)
        twice = self.second(self.run_twice(self.run_twice(images)))
        result: Tensor = self.first(once) + once + twice + self.foldable(images)
        return result


def test_modules_that_are_used_twice_are_not_folded() -> None:
    network = with_statistics(Shared())
    images = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    with torch.inference_mode():
        before = network(images)
        assert fold(network) == 1
        torch.testing.assert_close(network(images), before)


class Branching(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

    def forward(self, images: Tensor) -> Tensor:
        result: Tensor = self.norm(self.conv(images))
        return result if result.sum() > 0 else -result


def test_a_network_that_cannot_be_traced_is_left_as_it_is() -> None:
    network = with_statistics(Branching())
    assert fold(network) == 0
    assert count_norms(network) == 1
