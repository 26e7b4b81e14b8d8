"""JPEGs whose inside is damaged: a forgiving decoder makes up what is missing, and nobody would know."""

import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gapscope.decode.children import decode_in_subprocess
from gapscope.decode.jpeg import jpeg_damage
from gapscope.decode.picture import decode
from gapscope.decode.plain_jpeg import plain_jpeg
from gapscope.settings import Preprocess
from gapscope.sources.entry import Box
from gapscope.sources.rejects import Rejected

SMALL = Preprocess(size=64)
KEEP = replace(SMALL, keep_damaged=True)
SIZE = (160, 120)


def photograph(seed: int = 0, **options: Any) -> bytes:
    coarse = np.random.default_rng(seed).integers(0, 255, (9, 12, 3)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(coarse).resize(SIZE, Image.Resampling.BICUBIC).save(file, "JPEG", **{"quality": 90} | options)
    return file.getvalue()


def scan_of(data: bytes) -> int:
    """Return where the first scan's data begins."""
    start = data.index(b"\xff\xda")
    return start + 2 + int.from_bytes(data[start + 2 : start + 4])


def insert_before(marker: bytes, junk: bytes) -> Callable[[bytes], bytes]:
    return lambda data: data.replace(marker, junk + marker, 1)


def end_marker_amid(data: bytes) -> bytes:
    middle = (scan_of(data) + len(data)) // 2
    return data[:middle] + b"\xff\xd9" + data[middle + 2 :]


DAMAGED: dict[str, Callable[[bytes], bytes]] = {
    "cut off": lambda data: data[: len(data) * 2 // 3],
    "cut off, with an end marker": lambda data: data[: len(data) * 2 // 3] + b"\xff\xd9",
    "half of it zeros": lambda data: data[: len(data) // 2] + bytes(len(data) - len(data) // 2),
    "an end marker amid the data": end_marker_amid,
    "bytes added before the end": lambda data: data[:-2] + bytes(range(1, 90)) + data[-2:],
}
INTACT: dict[str, Callable[[bytes], bytes]] = {
    "as saved": lambda data: data,
    "bytes behind the end": lambda data: data + b"MotionPhoto" * 50,
    "no end marker": lambda data: data[:-2],
    "a comment": insert_before(b"\xff\xdb", b"\xff\xfe\x00\x07hello"),
    "bytes between the headers": insert_before(b"\xff\xdb", b"\x01\x02\x03"),
    "broken EXIF data": insert_before(b"\xff\xdb", b"\xff\xe1\x00\x0eExif\x00\x00II*\x00\x08\x00"),
    "a broken profile": insert_before(b"\xff\xdb", b"\xff\xe2\x00\x14ICC_PROFILE\x00\x09\x02\x00\x00\x00\x00"),
}
MODES: dict[str, dict[str, Any]] = {"color": {}, "progressive": {"progressive": True}, "4:4:4": {"subsampling": 0}}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", DAMAGED)
def test_damage_is_told_and_kept_on_demand(kind: str, mode: str) -> None:
    damaged = DAMAGED[kind](photograph(**MODES[mode]))
    for read in (decode, decode_in_subprocess):
        with pytest.raises(Rejected, match="damaged inside") as caught:
            read(damaged, SMALL)
        assert caught.value.status == "damaged"
        picture = read(damaged, KEEP)
        assert picture.damage
        assert picture.pixels.shape == (64, 64, 3)
    assert jpeg_damage(damaged, SIZE)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", INTACT)
def test_what_is_around_a_picture_does_not_damage_it(kind: str, mode: str) -> None:
    data = photograph(**MODES[mode])
    picture = decode(INTACT[kind](data), SMALL)
    assert not picture.damage
    assert np.array_equal(picture.pixels, decode(data, SMALL).pixels)
    assert not jpeg_damage(INTACT[kind](data), SIZE)


def test_broken_exif_data_do_not_matter_where_the_orientation_is_asked_for() -> None:
    whole = Box(0, 0, *SIZE)
    data = photograph()
    broken = decode(INTACT["broken EXIF data"](data), SMALL, whole)
    assert np.array_equal(broken.pixels, decode(data, SMALL, whole).pixels)


def test_damage_behind_odd_headers_is_told_too() -> None:
    data = INTACT["bytes between the headers"](DAMAGED["half of it zeros"](photograph()))
    with pytest.raises(Rejected, match="damaged inside"):
        decode(data, SMALL)


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_other_colors_are_judged_alike(mode: str) -> None:
    file = io.BytesIO()
    Image.open(io.BytesIO(photograph())).convert(mode).save(file, "JPEG", quality=90)
    data = file.getvalue()
    assert not decode(data, SMALL).damage
    for kind in ("cut off, with an end marker", "an end marker amid the data"):
        with pytest.raises(Rejected) as caught:
            decode(DAMAGED[kind](data), SMALL)
        assert caught.value.status == "damaged"
        assert decode(DAMAGED[kind](data), KEEP).damage


def test_many_files_with_overwritten_bytes_are_found() -> None:
    random = np.random.default_rng(5)
    found = 0
    for seed in range(60):
        data = bytearray(photograph(seed))
        at = int(random.integers(len(data) // 2, len(data) * 3 // 4))
        data[at : at + 40] = random.integers(1, 255, 40).astype(np.uint8).tobytes()
        found += bool(jpeg_damage(bytes(data), SIZE))
    # Of small pictures: the larger a file, the less likely is it that its data ends at the right place by chance.
    assert found > 30


@pytest.mark.parametrize("quality", [30, 75, 95])
@pytest.mark.parametrize("size", [(64, 64), (500, 375), (1900, 1267), (17, 9), (3001, 40)])
def test_pixels_are_pillows(size: tuple[int, int], quality: int) -> None:
    file = io.BytesIO()
    Image.open(io.BytesIO(photograph())).resize(size).save(file, "JPEG", quality=quality)
    png = io.BytesIO()
    Image.open(file).save(png, "PNG")
    ours = decode(file.getvalue(), SMALL).pixels.astype(int)
    assert np.abs(ours - decode(png.getvalue(), SMALL).pixels).mean() < 2


def test_a_damaged_jpeg_is_plain_by_its_header_alone() -> None:
    # Why the GPU's decoder process asks for the damage as well.
    damaged = DAMAGED["an end marker amid the data"](photograph())
    assert plain_jpeg(damaged, 10**6) is not None
    assert jpeg_damage(damaged, SIZE)
