"""The means over space of a torchvision FPN's outputs, without computing these outputs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d
from torchvision.ops import FrozenBatchNorm2d
from torchvision.ops.feature_pyramid_network import (
    FeaturePyramidNetwork,
    LastLevelMaxPool,
    LastLevelP6P7,
)

from gapscope.pyramid.fold import Affine, affine_of, parts_of
from gapscope.pyramid.pool import mean
from gapscope.pyramid.sums import convolved_mean, enlarged, nine_sums, projected


def pooled_means(fpn: FeaturePyramidNetwork, maps: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the mean over space (n, channels) of every output of an FPN, from nine sums of each of its inputs.

    The extra levels above the FPN's own are small: their maps are computed, from the coarsest map.

    Args:
        fpn: an FPN for which `short_cut_applies`.
        maps: the backbone's maps (n, channels, height, width), fine to coarse, for which `sizes_allow`.
    """
    with torch.autocast(next(iter(maps.values())).device.type, enabled=False):
        means = _from_sums(fpn, maps)
    return means | _above(fpn, list(maps.values())[-1])


def _from_sums(fpn: FeaturePyramidNetwork, maps: Mapping[str, Tensor]) -> dict[str, Tensor]:
    means: dict[str, Tensor] = {}
    above: Tensor | None = None
    height_above = 0
    for at, (name, found) in reversed(list(enumerate(maps.items()))):
        height, width = found.shape[2:]
        weight, bias = affine_of(fpn.inner_blocks[at])
        here = projected(nine_sums(found), weight[:, :, 0, 0], bias, (height, width))
        if above is not None:
            here = here + enlarged(above, height // height_above)
        means[name] = convolved_mean(here, *affine_of(fpn.layer_blocks[at]), (height, width))
        above, height_above = here, height
    return {name: means[name] for name in maps}


def _above(fpn: FeaturePyramidNetwork, last: Tensor) -> dict[str, Tensor]:
    if fpn.extra_blocks is None:
        return {}
    outer = _like(affine_of(fpn.layer_blocks[-1]), last)
    top = conv2d(last, *_like(affine_of(fpn.inner_blocks[-1]), last))
    if isinstance(fpn.extra_blocks, LastLevelMaxPool):
        # A pool with a window of 1 and a stride of 2 keeps every second position, so no others are computed.
        return {"pool": mean(conv2d(top, *outer, stride=2, padding=1))}
    found, names = fpn.extra_blocks([conv2d(top, *outer, padding=1)], [last], [])
    return {name: mean(level) for name, level in zip(names, found[1:], strict=True)}


def _like(affine: Affine, maps: Tensor) -> Affine:
    return affine[0].to(maps.dtype), affine[1].to(maps.dtype)


@dataclass(frozen=True)
class Verdict:
    """Whether the short cut applies, and the reason in words if it does not."""

    applies: bool
    reason: str = ""

    def __bool__(self) -> bool:
        return self.applies


def short_cut_applies(fpn: nn.Module) -> Verdict:
    """Tell from an FPN's modules whether it is affine: then sums of its inputs determine the means of its outputs."""
    # A subclass may do more than its modules show.
    if not isinstance(fpn, FeaturePyramidNetwork) or type(fpn) is not FeaturePyramidNetwork:
        return Verdict(False, f"{type(fpn).__name__} is no FeaturePyramidNetwork of torchvision")
    for blocks, size in ((fpn.inner_blocks, 1), (fpn.layer_blocks, 3)):
        for block in blocks:
            if not _is_affine(block, size):
                return Verdict(False, f"a block is not a {size}x{size} convolution with at most a batch norm behind it")
    if type(fpn.extra_blocks) not in (type(None), LastLevelMaxPool, LastLevelP6P7):
        return Verdict(False, f"{type(fpn.extra_blocks).__name__} is not known")
    return Verdict(True)


def sizes_allow(maps: Sequence[Tensor]) -> bool:
    """Tell whether every map is an integer number of times as large as the next, the same in height and width.

    Otherwise enlarging repeats some rows more often than others, and nine sums do not tell these rows apart.

    Example:
        >>> sizes_allow([torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 4, 4)])
        True
        >>> sizes_allow([torch.zeros(1, 1, 7, 7), torch.zeros(1, 1, 4, 4)])
        False
    """
    for fine, coarse in pairwise(maps):
        height, width = fine.shape[2] / coarse.shape[2], fine.shape[3] / coarse.shape[3]
        if height != width or height != int(height):
            return False
    return True


def _is_affine(block: nn.Module, size: int) -> bool:
    parts = parts_of(block)
    conv, behind = (parts[0] if parts else None), parts[1:]
    return (
        isinstance(conv, nn.Conv2d)
        and conv.kernel_size == (size, size)
        and conv.stride == (1, 1)
        and conv.dilation == (1, 1)
        and conv.groups == 1
        and conv.padding == (size // 2, size // 2)
        and conv.padding_mode == "zeros"
        and all(type(norm) in (nn.BatchNorm2d, FrozenBatchNorm2d) for norm in behind)
    )
