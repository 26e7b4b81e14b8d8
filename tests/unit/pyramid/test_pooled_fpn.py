"""The short cut returns the means of torchvision's own FPN."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torchvision.ops import FrozenBatchNorm2d
from torchvision.ops.feature_pyramid_network import (
    ExtraFPNBlock,
    FeaturePyramidNetwork,
    LastLevelMaxPool,
    LastLevelP6P7,
)

from gapscope.pyramid.pooled_fpn import pooled_means, short_cut_applies, sizes_allow

NORMS: dict[str, Callable[..., nn.Module] | None] = {
    "none": None,
    "batch": nn.BatchNorm2d,
    "frozen": FrozenBatchNorm2d,
}
EXTRAS: dict[str, Callable[[int], ExtraFPNBlock | None]] = {
    "none": lambda channels: None,
    "pool": lambda channels: LastLevelMaxPool(),
    "p6p7": lambda channels: LastLevelP6P7(channels, channels),
    "p6p7 of the backbone": lambda channels: LastLevelP6P7(channels + 3, channels),
}


def random_fpn(channels: list[int], out: int, norm: str, extra: str) -> FeaturePyramidNetwork:
    fpn = FeaturePyramidNetwork(channels, out, extra_blocks=EXTRAS[extra](out), norm_layer=NORMS[norm])
    for name, value in [*fpn.named_parameters(), *fpn.named_buffers()]:
        if name.endswith("running_var"):
            value.data.uniform_(0.5, 2)
        elif value.is_floating_point():
            value.data.normal_(std=0.5)
    return fpn.eval()


def random_maps(
    channels: list[int], top: tuple[int, int], factors: list[int], images: int
) -> "OrderedDict[str, Tensor]":
    sizes = [top]
    for factor in factors:
        sizes.insert(0, (sizes[0][0] * factor, sizes[0][1] * factor))
    return OrderedDict(
        (str(index), torch.randn(images, count, *size, dtype=torch.float64))
        for index, (count, size) in enumerate(zip(channels, sizes, strict=True))
    )


@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.integers(1, 9), min_size=1, max_size=4),
    st.integers(1, 7),
    st.tuples(st.integers(1, 5), st.integers(1, 5)),
    st.lists(st.integers(1, 3), min_size=3, max_size=3),
    st.integers(1, 3),
    st.sampled_from(sorted(NORMS)),
    st.sampled_from(sorted(EXTRAS)),
)
def test_means_are_those_of_torchvisions_fpn(
    seed: int,
    channels: list[int],
    out: int,
    top: tuple[int, int],
    factors: list[int],
    images: int,
    norm: str,
    extra: str,
) -> None:
    torch.manual_seed(seed)
    if "backbone" in extra:
        channels = [*channels[:-1], out + 3]
    fpn = random_fpn(channels, out, norm, extra)
    maps = random_maps(channels, top, factors[: len(channels) - 1], images)
    assert short_cut_applies(fpn).applies
    assert sizes_allow(list(maps.values()))
    for kind, bound in ((torch.float64, 1e-10), (torch.float32, 1e-5)):
        inputs = OrderedDict((name, value.to(kind)) for name, value in maps.items())
        with torch.inference_mode():
            expected = {name: value.double().mean(dim=(2, 3)) for name, value in fpn.double()(maps).items()}
            means = pooled_means(fpn.to(kind), inputs)
        assert list(means) == list(expected)
        for name, value in means.items():
            assert value.dtype == kind
            assert (value - expected[name]).norm() <= bound * max(1.0, expected[name].norm().item())


class Twice(FeaturePyramidNetwork):  # type: ignore[misc]
    def forward(self, x: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: 2 * value for name, value in super().forward(x).items()}


@pytest.mark.parametrize(
    ("fpn", "reason"),
    [
        (Twice([4], 4), "Twice"),
        (FeaturePyramidNetwork([4], 4, norm_layer=lambda channels: nn.GroupNorm(2, channels)), "batch norm"),
        (nn.Identity(), "Identity"),
    ],
)
def test_an_fpn_that_is_not_affine_is_recognized_by_its_modules(fpn: nn.Module, reason: str) -> None:
    verdict = short_cut_applies(fpn)
    assert not verdict.applies
    assert reason in verdict.reason


def test_an_activation_after_a_convolution_is_recognized() -> None:
    fpn: Any = FeaturePyramidNetwork([4], 4)
    fpn.layer_blocks[0].append(nn.ReLU())
    assert not short_cut_applies(fpn).applies


@pytest.mark.parametrize(
    ("fine", "coarse", "allowed"),
    [((8, 8), (4, 4), True), ((7, 7), (4, 4), False), ((8, 4), (4, 4), False), ((4, 4), (4, 4), True)],
)
def test_only_integer_factors_allow_the_short_cut(
    fine: tuple[int, int], coarse: tuple[int, int], allowed: bool
) -> None:
    assert sizes_allow([torch.zeros(1, 1, *fine), torch.zeros(1, 1, *coarse)]) is allowed
