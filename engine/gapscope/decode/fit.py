"""The last step to the square that the network sees, on any torch device."""

import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad

from gapscope.settings import Fit

_GREY = 128


def fit_to_square(pixels: Tensor, size: int, fit: Fit) -> Tensor:
    """Bring an image into a square.

    Resizing is bicubic with antialiasing, as Pillow's is, since aliasing alone changes features (Parmar et al., "On
    Aliased Resizing and Surprising Subtleties in GAN Evaluation", CVPR 2022).

    Args:
        pixels: (height, width, 3) uint8.
        size: side of the square.
        fit: as `Preprocess` has it.

    Returns:
        (size, size, 3) uint8.
    """
    if fit == "stretch":
        return _resized(pixels, size, size)
    height, width = pixels.shape[:2]
    if fit == "crop":
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        return _resized(pixels[top : top + side, left : left + side], size, size)
    inner = fit_inside(pixels, size)
    top, left = (size - inner.shape[0]) // 2, (size - inner.shape[1]) // 2
    edges = (0, 0, left, size - inner.shape[1] - left, top, size - inner.shape[0] - top)
    return pad(inner, edges, value=_GREY)


def fit_inside(pixels: Tensor, size: int) -> Tensor:
    """Bring an image (height, width, 3) to at most `size` pixels in either direction, keeping its aspect ratio."""
    height, width = pixels.shape[:2]
    scale = size / max(height, width)
    return _resized(pixels, max(1, round(height * scale)), max(1, round(width * scale)))


def _resized(pixels: Tensor, height: int, width: int) -> Tensor:
    batch = pixels.permute(2, 0, 1)[None]
    if pixels.is_cuda:
        # There is no kernel for bytes; rounding and clamping make it what the CPU's gives.
        resized = interpolate(batch.float(), (height, width), mode="bicubic", antialias=True)
        return resized.round().clamp(0, 255).to(torch.uint8)[0].permute(1, 2, 0)
    return interpolate(batch, (height, width), mode="bicubic", antialias=True)[0].permute(1, 2, 0)
