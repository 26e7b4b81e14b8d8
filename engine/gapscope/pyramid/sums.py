"""The mean over space of an FPN's outputs, computed from nine sums per map of its backbone instead of from maps.

An FPN (Lin et al. 2017, "Feature Pyramid Networks for Object Detection") only projects, enlarges, adds and convolves
the maps of its backbone. So the mean over space of its outputs is an affine function of nine sums over each of these
maps: over the whole map, over its outermost rows and columns, and over its corners. Rows, columns and corners matter
because a 3x3 convolution with zero padding treats them differently. All functions take and return sums as
(images, 9, channels), in the order of the constants below.
"""

import torch
from torch import Tensor

_ALL, _TOP, _BOTTOM, _LEFT, _RIGHT, _TOP_LEFT, _TOP_RIGHT, _BOTTOM_LEFT, _BOTTOM_RIGHT = range(9)

# For each row or column of a 3x3 kernel: the edge of the map that it never sees, if any.
_ROW_OUT = (_BOTTOM, None, _TOP)
_COLUMN_OUT = (_RIGHT, None, _LEFT)
_CORNER = {
    (_BOTTOM, _RIGHT): _BOTTOM_RIGHT,
    (_BOTTOM, _LEFT): _BOTTOM_LEFT,
    (_TOP, _RIGHT): _TOP_RIGHT,
    (_TOP, _LEFT): _TOP_LEFT,
}


def nine_sums(maps: Tensor) -> Tensor:
    """Return the nine sums of maps (n, channels, height, width): (n, 9, channels), in float32 or better.

    Example:
        >>> nine_sums(torch.arange(6.0).view(1, 1, 2, 3)).flatten().tolist()
        [15.0, 3.0, 12.0, 3.0, 7.0, 0.0, 2.0, 3.0, 5.0]
    """
    precise = torch.promote_types(maps.dtype, torch.float32)
    rows = [maps[:, :, at].sum(dim=2, dtype=precise) for at in (0, -1)]
    columns = [maps[:, :, :, at].sum(dim=2, dtype=precise) for at in (0, -1)]
    corners = [maps[:, :, y, x].to(precise) for y in (0, -1) for x in (0, -1)]
    return torch.stack([maps.sum(dim=(2, 3), dtype=precise), *rows, *columns, *corners], dim=1)


def projected(sums: Tensor, weight: Tensor, bias: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the sums of the output of a 1x1 convolution.

    Args:
        sums: (n, 9, channels) of maps of `size`.
        weight: (new channels, channels).
        bias: (new channels,).
        size: height and width of the maps.
    """
    height, width = size
    positions = sums.new_tensor([height * width, width, width, height, height, 1, 1, 1, 1])
    return sums @ weight.T + positions[:, None] * bias


def enlarged(sums: Tensor, factor: int) -> Tensor:
    """Return the sums of maps enlarged by the integer `factor`, with every position repeated (nearest)."""
    return sums * sums.new_tensor([factor * factor] + [factor] * 4 + [1] * 4)[:, None]


def convolved_mean(sums: Tensor, weight: Tensor, bias: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the mean over space (n, new channels) of the output of a 3x3 convolution of stride 1 with zero padding.

    Args:
        sums: (n, 9, channels) of maps of `size`.
        weight: (new channels, channels, 3, 3).
        bias: (new channels,).
        size: height and width of the maps.
    """
    windows = torch.stack([_window(sums, row, column) for row in _ROW_OUT for column in _COLUMN_OUT], dim=1)
    flat = weight.permute(2, 3, 1, 0).reshape(-1, weight.shape[0])
    return windows.flatten(1) @ flat / (size[0] * size[1]) + bias


def _window(sums: Tensor, row: int | None, column: int | None) -> Tensor:
    window = sums[:, _ALL]
    if row is not None:
        window = window - sums[:, row]
    if column is not None:
        window = window - sums[:, column]
    if row is not None and column is not None:
        window = window + sums[:, _CORNER[row, column]]
    return window
