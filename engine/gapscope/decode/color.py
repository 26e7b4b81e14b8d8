"""Colors and transparency: from the pixels of any image of 8 bits to sRGB on one background."""

import io
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)
_NEARLY_WHITE = 240
"""An image in which no value is smaller shows nothing to the eye."""

_SRGB = ImageCms.createProfile("sRGB")


def flatten(image: Image.Image) -> Image.Image:
    """Return an image without transparency: drawn on white, or on black where it would vanish on white.

    An alpha channel that is 0 everywhere says nothing, as simulators write it; the colors count. The image's profile
    stays to be applied.

    Example:
        >>> flatten(Image.new("RGBA", (1, 1), (255, 0, 0, 0))).getpixel((0, 0))
        (255, 0, 0)
        >>> icon = Image.new("RGBA", (2, 1), (255, 255, 255, 255))
        >>> icon.putpixel((1, 0), (0, 0, 0, 0))
        >>> [flatten(icon).getpixel((x, 0)) for x in (0, 1)]
        [(255, 255, 255), (0, 0, 0)]
    """
    if not image.has_transparency_data:
        return image
    layer = image.convert("RGBA")
    alpha = layer.getchannel("A")
    colors = layer.convert("RGB")
    least, most = alpha.getextrema()
    if most == 0 or least == 255:
        flat = colors
    else:
        profile = image.info.get("icc_profile") or b""
        flat = _over(_WHITE, _apply_profile(colors, profile), alpha)
        if np.asarray(flat).min() >= _NEARLY_WHITE:
            flat = _over(_BLACK, _apply_profile(colors, profile), alpha)
        return flat
    flat.info = {key: value for key, value in image.info.items() if key != "transparency"}
    return flat


def _over(background: tuple[int, int, int], colors: Image.Image, alpha: Image.Image) -> Image.Image:
    flat = Image.new("RGB", colors.size, background)
    flat.paste(colors, mask=alpha)
    return flat


def to_srgb(image: Image.Image) -> Image.Image:
    """Return an image of 8 bits without transparency as RGB, converted by its color profile if it has one.

    Example:
        >>> to_srgb(Image.new("L", (1, 1), 77)).getpixel((0, 0))
        (77, 77, 77)
    """
    if image.mode not in ("RGB", "L", "CMYK"):
        image = image.convert("RGB")
    return _apply_profile(image, image.info.get("icc_profile") or b"")


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
