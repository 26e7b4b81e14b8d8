import contextlib
import io
import struct
import zlib
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms import v2

from gapscope.decode import decode, thumbnail
from gapscope.rejects import Rejected
from gapscope.settings import Fit, Frame

SMALL = Frame(size=64)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def scene(width: int = 120, height: int = 90) -> Image.Image:
    across, down = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([across, down, 255 - across], axis=2).astype(np.uint8))


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP", "GIF", "JPEG", "JPEG2000", "PPM", "TGA"])
def test_formats_give_the_same_picture(kind: str) -> None:
    found = decode(encoded(scene(), kind), SMALL)
    assert (found.format, found.width, found.height) == (kind, 120, 90)
    expected = decode(encoded(scene(), "PNG"), SMALL)
    assert np.abs(found.pixels.astype(int) - expected.pixels).mean() < 8


def test_crop_is_torchvisions_resize_and_center_crop() -> None:
    # Sizes at which both round to the same crop; they cut before and after scaling.
    image = scene(128, 96)
    ours = decode(encoded(image, "PNG"), SMALL).pixels.astype(int)
    transform = v2.Compose([v2.Resize(64, v2.InterpolationMode.BICUBIC), v2.CenterCrop(64)])
    theirs = np.asarray(transform(image)).astype(int)
    assert np.abs(ours - theirs).mean() < 1.5


def test_pad_keeps_all_of_the_image_and_stretch_fills_the_square() -> None:
    data = encoded(Image.new("RGB", (200, 100), (255, 0, 0)), "PNG")
    padded = decode(data, Frame(size=64, fit="pad")).pixels
    assert (padded[16:48] == (255, 0, 0)).all()
    assert (padded[:16] == 128).all()
    assert (padded[48:] == 128).all()
    assert (decode(data, Frame(size=64, fit="stretch")).pixels == (255, 0, 0)).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_tags_are_applied(orientation: int) -> None:
    upright = scene()
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    stored = upright.transpose(Image.Transpose(undo[orientation])) if orientation in undo else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = decode(encoded(stored, "JPEG", exif=exif, quality=98), SMALL)
    assert (found.width, found.height) == upright.size
    assert np.abs(found.pixels.astype(int) - decode(encoded(upright, "PNG"), SMALL).pixels).mean() < 4


def test_transparency_lies_over_white() -> None:
    clear = encoded(Image.new("RGBA", (64, 64), (255, 0, 0, 0)), "PNG")
    palette = Image.new("P", (64, 64), 0)
    palette.putpalette([0, 0, 0])
    for data in (clear, encoded(palette, "PNG", transparency=0)):
        assert (decode(data, SMALL).pixels == 255).all()


@pytest.mark.parametrize(("mode", "top"), [("I;16", 65535), ("I", 65535), ("F", 1.0)])
def test_deep_images_keep_their_greys(mode: str, top: float) -> None:
    values = np.linspace(0, top, 64 * 64).reshape(64, 64)
    image = Image.fromarray(values.astype({"I;16": np.uint16, "I": np.int32, "F": np.float32}[mode]))
    found = decode(encoded(image, "TIFF"), SMALL).pixels[..., 0].astype(float)
    assert np.abs(found - values / top * 255).max() < 3


def test_animations_give_their_first_frame() -> None:
    frames = [Image.new("RGB", (64, 64), color) for color in ("red", "blue")]
    for kind in ("GIF", "WEBP", "PNG"):
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], lossless=True)
        assert decode(data, SMALL).pixels[32, 32, 0] > 200


def test_thin_images_survive_every_fit() -> None:
    for size in ((5000, 1), (1, 5000), (1, 1)):
        data = encoded(Image.new("RGB", size), "PNG")
        for fit in get_args(Fit):
            assert decode(data, Frame(size=64, fit=fit)).pixels.shape == (64, 64, 3)
        assert max(thumbnail(data, 32, SMALL.max_pixels).size) == 32


def png_that_claims(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    checked = b"IHDR" + header
    chunk = struct.pack(">I", 13) + checked + struct.pack(">I", zlib.crc32(checked))
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 0) + b"IEND" + struct.pack(">I", zlib.crc32(b"IEND"))


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"", "empty"),
        (b"words", "not-an-image"),
        (encoded(scene(), "JPEG")[:900], "broken"),
        (encoded(scene(), "PNG")[:-40], "broken"),
        (png_that_claims(50_000, 50_000), "too-large"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "not-an-image"),
    ],
)
def test_what_is_no_whole_image_is_rejected_with_its_reason(data: bytes, status: str) -> None:
    for read in (lambda: decode(data, SMALL), lambda: thumbnail(data, 32, SMALL.max_pixels)):
        with pytest.raises(Rejected) as caught:
            read()
        assert caught.value.status == status
        assert caught.value.error
        assert "\n" not in caught.value.error


@given(st.binary(max_size=200), st.sampled_from(["PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF"]), st.integers(0, 400))
def test_damaged_bytes_are_decoded_or_rejected_and_nothing_else(noise: bytes, kind: str, at: int) -> None:
    data = bytearray(encoded(scene(24, 18), kind))
    data[at : at + len(noise)] = noise
    with contextlib.suppress(Rejected):
        assert decode(bytes(data), SMALL).pixels.shape == (64, 64, 3)
