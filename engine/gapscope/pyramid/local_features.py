"""What a network sees at each place of an image, before any pooling over space."""

import math

from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d

from gapscope.pyramid.network import Pyramid

_MAX_SIDE, _MIN_SIDE = 16, 6
_SMOOTHED_FROM = 12


class LocalFeatures(nn.Module):
    """A pyramid's maps, of about the same number of places on every level that can point at one.

    Maps with more than 16 places a side are pooled to that or less; those with fewer than 6 point nowhere and are left
    out. On maps with 12 and more a place is described with its eight neighbors, by their mean, as in PatchCore (Roth et
    al. 2022).

    Args:
        pyramid: the network.
    """

    def __init__(self, pyramid: Pyramid) -> None:
        super().__init__()
        self.normalize, self.trunk, self.levels = pyramid.normalize, pyramid.trunk, pyramid.levels

    def forward(self, pixels: Tensor) -> dict[str, Tensor]:
        """Return (n, channels, h, w) float32 by level for (n, 3, height, width) uint8 images, sRGB."""
        maps = self.trunk(self.normalize(pixels))
        return {level: _places(maps[level].float()) for level in self.levels if min(maps[level].shape[2:]) >= _MIN_SIDE}


def _places(maps: Tensor) -> Tensor:
    height, width = (side // math.ceil(side / _MAX_SIDE) for side in maps.shape[2:])
    maps = adaptive_avg_pool2d(maps, (height, width))
    if min(height, width) < _SMOOTHED_FROM:
        return maps
    return avg_pool2d(maps, 3, stride=1, padding=1, count_include_pad=False)
