"""Converting the pixels of any image file to 8-bit sRGB on a white background."""

import io
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

_BACKGROUND = (255, 255, 255, 255)
_DEEP_MODES = ("I;16", "I;16B", "I;16L", "I;16N", "I", "F")

_SRGB = ImageCms.createProfile("sRGB")


def to_srgb(image: Image.Image) -> Image.Image:
    """Return a decoded image as RGB, converted by its embedded color profile if it has one, on a white background.

    Example:
        >>> to_srgb(Image.new("RGBA", (1, 1), (255, 0, 0, 0))).getpixel((0, 0))
        (255, 255, 255)
    """
    if image.mode in _DEEP_MODES:
        return _to_8_bits(image).convert("RGB")
    profile = image.info.get("icc_profile") or b""
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        converted = _apply_profile(layer.convert("RGB"), profile)
        converted.putalpha(layer.getchannel("A"))
        return Image.alpha_composite(Image.new("RGBA", layer.size, _BACKGROUND), converted).convert("RGB")
    if image.mode not in ("RGB", "L", "CMYK"):
        image = image.convert("RGB")
    return _apply_profile(image, profile)


def _apply_profile(image: Image.Image, profile: bytes) -> Image.Image:
    transform = _transform(profile, image.mode) if profile else None
    if transform is None:
        return image.convert("RGB")
    converted = ImageCms.applyTransform(image, transform)
    return image.convert("RGB") if converted is None else converted


def is_srgb(profile: bytes, mode: str) -> bool:
    """Tell whether a profile leaves the colors of an image unchanged: it is that of sRGB, or cannot be used.

    Args:
        profile: an ICC profile.
        mode: the image's mode in Pillow, such as `RGB`.

    Example:
        >>> srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        >>> is_srgb(srgb, "RGB"), is_srgb(b"damaged", "RGB")
        (True, True)
    """
    return _transform(profile, mode) is None


# The photographs of a dataset share a few profiles, and building a transform takes longer than applying it.
@lru_cache(maxsize=32)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Return the transform from a profile's colors to sRGB; None if they are sRGB or the profile cannot be used."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if mode == "RGB" and "srgb" in ImageCms.getProfileDescription(source).lower():
            return None
        return ImageCms.buildTransform(source, _SRGB, mode, "RGB", ImageCms.Intent.RELATIVE_COLORIMETRIC)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None


def _to_8_bits(image: Image.Image) -> Image.Image:
    # Pillow's own conversion clips at 255, which turns nearly every 16-bit image white.
    values = np.nan_to_num(np.asarray(image, dtype=np.float32))
    top = float(values.max(initial=0.0))
    full = 1.0 if top <= 1.0 and image.mode == "F" else 255.0 if top <= 255.0 and image.mode in ("I", "F") else 65535.0
    return Image.fromarray((np.clip(values / full, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8))
