"""The last resize to the square that the network sees, on any torch device."""

import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad

from gapscope.settings import Fit

_GRAY = 128


def fit_to_square(pixels: Tensor, size: int, fit: Fit) -> Tensor:
    """Resize an image to a square.

    Resizing is bicubic with antialiasing, as Pillow's is, since aliasing alone changes features (Parmar et al., "On
    Aliased Resizing and Surprising Subtleties in GAN Evaluation", CVPR 2022).

    Args:
        pixels: (height, width, 3) uint8.
        size: side of the square in pixels.
        fit: as in `Preprocess`.

    Returns:
        (size, size, 3) uint8.

    Example:
        >>> fit_to_square(torch.zeros(90, 120, 3, dtype=torch.uint8), 64, "crop").shape
        torch.Size([64, 64, 3])
    """
    if fit == "stretch":
        return _resize(pixels, size, size)
    height, width = pixels.shape[:2]
    if fit == "crop":
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        return _resize(pixels[top : top + side, left : left + side], size, size)
    inner = fit_inside(pixels, size)
    top, left = (size - inner.shape[0]) // 2, (size - inner.shape[1]) // 2
    padding = (0, 0, left, size - inner.shape[1] - left, top, size - inner.shape[0] - top)
    return pad(inner, padding, value=_GRAY)


def fit_inside(pixels: Tensor, size: int) -> Tensor:
    """Resize an image so that its longer side is `size`, keeping its aspect ratio.

    Args:
        pixels: (height, width, 3) uint8.
        size: longer side of the result in pixels.

    Returns:
        (new height, new width, 3) uint8.

    Example:
        >>> fit_inside(torch.zeros(90, 120, 3, dtype=torch.uint8), 64).shape
        torch.Size([48, 64, 3])
    """
    height, width = pixels.shape[:2]
    scale = size / max(height, width)
    return _resize(pixels, max(1, round(height * scale)), max(1, round(width * scale)))


def _resize(pixels: Tensor, height: int, width: int) -> Tensor:
    batch = pixels.permute(2, 0, 1)[None]
    if pixels.is_cuda:
        # CUDA has no kernel for uint8; rounding and clamping give what the CPU's kernel gives.
        resized = interpolate(batch.float(), (height, width), mode="bicubic", antialias=True)
        return resized.round().clamp(0, 255).to(torch.uint8)[0].permute(1, 2, 0)
    return interpolate(batch, (height, width), mode="bicubic", antialias=True)[0].permute(1, 2, 0)
