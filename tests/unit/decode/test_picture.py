import contextlib
import io
import struct
import zlib
from importlib.resources import files
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps
from torchvision.transforms import v2

from gapscope.decode.picture import decode, make_thumbnail
from gapscope.decode.shrink import Target, shrink_on_load
from gapscope.settings import Fit, Preprocess
from gapscope.sources import Box
from gapscope.sources.rejects import Rejected

SMALL = Preprocess(size=64)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def photograph(name: str) -> Image.Image:
    return Image.open(io.BytesIO((files("skimage") / "data" / name).read_bytes())).convert("RGB")


def thumbnail(data: bytes, side: int) -> NDArray[np.uint8]:
    return make_thumbnail(shrink_on_load(data, Target(side, "inside", SMALL.max_pixels)), side)


def scene(width: int = 120, height: int = 90) -> Image.Image:
    across, down = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([across, down, 255 - across], axis=2).astype(np.uint8))


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP", "GIF", "JPEG", "JPEG2000", "PPM", "TGA"])
def test_formats_give_the_same_picture(kind: str) -> None:
    picture = decode(encoded(scene(), kind), SMALL)
    assert (picture.format, picture.width, picture.height) == (kind, 120, 90)
    expected = decode(encoded(scene(), "PNG"), SMALL)
    assert np.abs(picture.pixels.astype(int) - expected.pixels).mean() < 8


def test_crop_is_torchvisions_resize_and_center_crop() -> None:
    # Sizes at which both round to the same crop; they cut before and after scaling.
    image = scene(128, 96)
    ours = decode(encoded(image, "PNG"), SMALL).pixels.astype(int)
    transform = v2.Compose([v2.Resize(64, v2.InterpolationMode.BICUBIC), v2.CenterCrop(64)])
    theirs = np.asarray(transform(image)).astype(int)
    assert np.abs(ours - theirs).mean() < 1.5


def test_pad_keeps_all_of_the_image_and_stretch_fills_the_square() -> None:
    data = encoded(Image.new("RGB", (200, 100), (255, 0, 0)), "PNG")
    padded = decode(data, Preprocess(size=64, fit="pad")).pixels
    assert (padded[16:48] == (255, 0, 0)).all()
    assert (padded[:16] == 128).all()
    assert (padded[48:] == 128).all()
    assert (decode(data, Preprocess(size=64, fit="stretch")).pixels == (255, 0, 0)).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_tags_are_applied(orientation: int) -> None:
    upright = scene()
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    stored = upright.transpose(Image.Transpose(undo[orientation])) if orientation in undo else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = decode(encoded(stored, "JPEG", exif=exif, quality=98), SMALL)
    assert (picture.width, picture.height) == upright.size
    assert np.abs(picture.pixels.astype(int) - decode(encoded(upright, "PNG"), SMALL).pixels).mean() < 4


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_orientation_tags_are_applied_once_in_every_container(kind: str, orientation: int) -> None:
    undo = {3: 3, 6: 2, 8: 4}
    upright = scene()
    stored = upright.transpose(Image.Transpose(undo[orientation])) if orientation in undo else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = decode(encoded(stored, kind, exif=exif), SMALL)
    assert (picture.width, picture.height) == upright.size
    assert np.abs(picture.pixels.astype(int) - decode(encoded(upright, "PNG"), SMALL).pixels).mean() < 6


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_box_lies_where_it_was_measured_whichever_way_the_file_is_turned(kind: str, orientation: int) -> None:
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    upright = Image.new("RGB", (200, 100), "white")
    upright.paste("red", (10, 20, 60, 50))
    stored = upright.transpose(Image.Transpose(undo[orientation])) if orientation in undo else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = (
        encoded(stored, kind, exif=exif, quality=95, subsampling=0)
        if kind == "JPEG"
        else encoded(stored, kind, exif=exif)
    )
    left, top, right, bottom = ImageOps.invert(stored.convert("L")).getbbox() or (0, 0, 0, 0)
    boxes = [Box(12, 22, 46, 26, 200, 100), Box(12, 22, 46, 26)]
    if stored.size != upright.size:
        boxes.append(Box(left + 2, top + 2, right - left - 4, bottom - top - 4, *stored.size))
    for box in boxes:
        picture = decode(data, SMALL, box)
        assert (picture.width, picture.height) == (46, 26)
        assert picture.mean == pytest.approx((254, 0, 0), abs=3)


def test_telephones_formats_are_read(tmp_path: Path) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.from_pillow(scene()).save(tmp_path / "a.heic", quality=95)
    for name, data in (("HEIF", (tmp_path / "a.heic").read_bytes()), ("AVIF", encoded(scene(), "AVIF", quality=95))):
        picture = decode(data, SMALL)
        assert (picture.format, picture.width, picture.height) == (name, 120, 90)
        assert np.abs(picture.pixels.astype(int) - decode(encoded(scene(), "PNG"), SMALL).pixels).mean() < 8


@pytest.mark.parametrize("quality", range(1, 101))
def test_jpeg_quality_is_what_it_was_saved_with(quality: int) -> None:
    for image in (scene(24, 18), scene(24, 18).convert("L")):
        estimate = decode(encoded(image, "JPEG", quality=quality), SMALL).jpeg_quality
        assert estimate is not None
        assert abs(estimate - quality) <= (1 if quality > 1 else 2)


def test_print_colors_become_screen_colors() -> None:
    # Without a profile, and inverted as Adobe writes it, also as YCCK; Pillow's own reading is the reference.
    ink = Image.merge("CMYK", [Image.new("L", (64, 64), value) for value in (0, 200, 30, 10)])
    data = encoded(ink, "JPEG", quality=98)
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))[32, 32]
    assert np.abs(decode(data, SMALL).pixels[32, 32].astype(int) - expected).max() <= 2


def swapped_profile() -> bytes:
    """sRGB's own profile with red and blue told the wrong way round: what converts by it swaps them back."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for offset in range(132, 132 + 12 * int.from_bytes(profile[128:132], "big"), 12):
        tag = bytes(profile[offset : offset + 4])
        profile[offset : offset + 4] = {b"rXYZ": b"bXYZ", b"bXYZ": b"rXYZ", b"desc": b"dscm"}.get(tag, tag)
    return bytes(profile)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_an_embedded_profile_decides_the_colors(kind: str) -> None:
    profile = swapped_profile()
    image = Image.new("RGB", (64, 64), (220, 60, 20))
    pixel = decode(encoded(image, kind, icc_profile=profile, quality=98), SMALL).pixels[32, 32].astype(int)
    assert np.abs(pixel - (20, 60, 220)).max() < 8
    for plain in (ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(), b"no profile"):
        pixel = decode(encoded(image, kind, icc_profile=plain, quality=98), SMALL).pixels[32, 32].astype(int)
        assert np.abs(pixel - (220, 60, 20)).max() < 8


def test_a_profile_leaves_transparency_alone() -> None:
    image = Image.new("RGBA", (64, 64), (220, 60, 20, 255))
    image.paste((0, 0, 0, 0), (0, 0, 32, 64))
    pixels = decode(encoded(image, "PNG", icc_profile=swapped_profile()), SMALL).pixels.astype(int)
    assert np.abs(pixels[32, 60] - (20, 60, 220)).max() < 8
    assert (pixels[32, 4] == 255).all()


@pytest.mark.parametrize(
    ("values", "gray"),
    [
        (np.full((20, 30), 90, np.uint8), 90),
        (np.full((20, 30, 1), 90 * 257, np.uint16), 90),
        (np.full((20, 30, 3), 0.5, np.float32), 128),
        (np.full((20, 30, 3), 90.0, np.float64), 90),
        (np.ones((20, 30), bool), 255),
    ],
)
def test_numpy_files_are_images(values: NDArray[Any], gray: int) -> None:
    file = io.BytesIO()
    np.save(file, values)
    picture = decode(file.getvalue(), SMALL)
    assert (picture.format, picture.width, picture.height) == ("NPY", 30, 20)
    assert np.abs(picture.pixels.astype(int) - gray).max() <= 1


@pytest.mark.parametrize("values", [np.zeros((2, 3, 5)), np.zeros(4), np.array([["a"]]), np.zeros((0, 3))])
def test_other_numpy_files_are_no_images(values: NDArray[Any]) -> None:
    file = io.BytesIO()
    np.save(file, values)
    with pytest.raises(Rejected) as caught:
        decode(file.getvalue(), SMALL)
    assert caught.value.status == "broken"


@pytest.mark.parametrize("fit", get_args(Fit))
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("box", [None, Box(300.0, 200.0, 1000.0, 900.0)])
def test_large_images_are_shrunk_without_being_changed(fit: Fit, kind: str, box: Any) -> None:
    image = photograph("coffee.png").resize((1900, 1267), Image.Resampling.BICUBIC)
    data = encoded(image, kind, quality=95)
    picture = decode(data, Preprocess(size=64, fit=fit), box)
    part = image if box is None else image.crop((300, 200, 1300, 1100))
    assert (picture.width, picture.height) == part.size
    square = {
        "crop": lambda: ImageOps.fit(part, (64, 64), Image.Resampling.BICUBIC),
        "stretch": lambda: part.resize((64, 64), Image.Resampling.BICUBIC),
        "pad": lambda: ImageOps.pad(part, (64, 64), Image.Resampling.BICUBIC, (128, 128, 128)),
    }[fit]()
    assert np.abs(picture.pixels.astype(int) - np.asarray(square)).mean() < 3


def test_a_box_outside_the_image_is_rejected() -> None:
    with pytest.raises(Rejected) as caught:
        decode(encoded(scene(), "PNG"), SMALL, Box(500, 500, 10, 10))
    assert caught.value.status == "bad-box"


def test_transparency_lies_over_white() -> None:
    half = Image.new("RGBA", (64, 64), (255, 0, 0, 0))
    half.paste((0, 0, 255, 255), (0, 0, 32, 64))
    palette = Image.new("P", (64, 64), 1)
    palette.putpalette([0, 0, 0, 0, 0, 255])
    palette.paste(0, (32, 0, 64, 64))
    for data in (encoded(half, "PNG"), encoded(palette, "PNG", transparency=0)):
        pixels = decode(data, SMALL).pixels
        assert (pixels[:, 40:] == 255).all()
        assert (pixels[:, :24] == (0, 0, 255)).all()


@pytest.mark.parametrize(("mode", "top"), [("I;16", 65535), ("I", 65535), ("F", 1.0)])
def test_deep_images_keep_their_grays(mode: str, top: float) -> None:
    values = np.linspace(0, top, 64 * 64).reshape(64, 64)
    image = Image.fromarray(values.astype({"I;16": np.uint16, "I": np.int32, "F": np.float32}[mode]))
    pixels = decode(encoded(image, "TIFF"), SMALL).pixels[..., 0].astype(float)
    assert np.abs(pixels - values / top * 255).max() < 3


def test_dark_deep_images_stay_dark_whatever_their_byte_order() -> None:
    little = decode(encoded(Image.fromarray(np.full((64, 64), 200, np.uint16)), "PNG"), SMALL).pixels
    big = decode(encoded(Image.fromarray(np.full((64, 64), 200, ">u2")), "TIFF"), SMALL).pixels
    assert little.max() == big.max() == 1


def test_animations_give_their_first_frame() -> None:
    frames = [Image.new("RGB", (64, 64), color) for color in ("red", "blue")]
    for kind in ("GIF", "WEBP", "PNG"):
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], lossless=True)
        assert decode(data, SMALL).pixels[32, 32, 0] > 200


def test_thin_images_survive_every_fit() -> None:
    for size in ((5000, 1), (1, 5000), (1, 1)):
        data = encoded(Image.new("RGB", size), "PNG")
        for fit in get_args(Fit):
            assert decode(data, Preprocess(size=64, fit=fit)).pixels.shape == (64, 64, 3)
        assert max(thumbnail(data, 32).shape) == 32


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
        (encoded(scene(), "JPEG")[:900], "damaged"),
        (encoded(scene(), "PNG")[:-40], "broken"),
        (png_that_claims(50_000, 50_000), "too-large"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "not-an-image"),
    ],
)
def test_what_is_no_whole_image_is_rejected_with_its_reason(data: bytes, status: str) -> None:
    for read in (lambda: decode(data, SMALL), lambda: thumbnail(data, 32)):
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
