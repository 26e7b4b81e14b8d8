"""From whatever an image file holds to sRGB over white."""

import io
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

_BACKGROUND = (255, 255, 255, 255)
_DEEP = ("I;16", "I;16B", "I;16L", "I;16N", "I", "F")

_SRGB = ImageCms.createProfile("sRGB")


def to_srgb(image: Image.Image) -> Image.Image:
    """Return a decoded image as RGB: by its embedded colour profile where it has one, transparency over white."""
    if image.mode in _DEEP:
        return _eight_bits(image).convert("RGB")
    profile = image.info.get("icc_profile") or b""
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        opaque = _by_profile(layer.convert("RGB"), profile)
        opaque.putalpha(layer.getchannel("A"))
        return Image.alpha_composite(Image.new("RGBA", layer.size, _BACKGROUND), opaque).convert("RGB")
    if image.mode not in ("RGB", "L", "CMYK"):
        image = image.convert("RGB")
    return _by_profile(image, profile)


def _by_profile(image: Image.Image, profile: bytes) -> Image.Image:
    transform = _transform(profile, image.mode) if profile else None
    if transform is None:
        return image.convert("RGB")
    converted = ImageCms.applyTransform(image, transform)
    return image.convert("RGB") if converted is None else converted


def is_srgb(profile: bytes, mode: str) -> bool:
    """Tell whether a profile leaves a mode's colours as they are: it is sRGB's, or no good."""
    return _transform(profile, mode) is None


# Photographs of a set share a few profiles, and building a transform takes longer than using it.
@lru_cache(maxsize=32)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Return how to bring a mode's colours to sRGB; None where they are that already, or the profile is no good."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if mode == "RGB" and "srgb" in ImageCms.getProfileDescription(source).lower():
            return None
        return ImageCms.buildTransform(source, _SRGB, mode, "RGB", ImageCms.Intent.RELATIVE_COLORIMETRIC)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None


def _eight_bits(image: Image.Image) -> Image.Image:
    # Pillow's own conversion clips at 255, which turns nearly every 16-bit image white.
    values = np.nan_to_num(np.asarray(image, dtype=np.float32))
    top = float(values.max(initial=0.0))
    full = 1.0 if top <= 1.0 and image.mode == "F" else 255.0 if top <= 255.0 and image.mode in ("I", "F") else 65535.0
    return Image.fromarray((np.clip(values / full, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8))
