"""Which numbers are black and white is settled once per dataset: from tags, else from the numbers of a sample."""

import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from image_files import png16
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from gapscope.decode.children import look_in_subprocess
from gapscope.decode.deep import DeepPixels, deep_kind, to_8_bits
from gapscope.decode.picture import decode
from gapscope.decode.shrink import Target, look_at
from gapscope.decode.value_range import UnclearRangeError, ValueSample, sample_values, settle_ranges
from gapscope.settings import Preprocess, ValueRange
from gapscope.sources.rejects import Rejected

SMALL = Preprocess(size=64)
TARGET = Target(64, "crop", 10**8)


def scene(size: int = 64) -> NDArray[np.float64]:
    """A picture in 0..1 that reaches black and white."""
    across, down = np.meshgrid(np.linspace(0, 1, size), np.linspace(0, 1, size))
    return (across + (np.sin(down * 9) + 1) / 2) / 2 * 1.2 - 0.1


def unit() -> NDArray[np.float64]:
    return np.clip(scene(), 0, 1)


def npy(values: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


def tiff(values: NDArray[Any], tags: dict[int, Any] | None = None, **options: Any) -> bytes:
    file, info = io.BytesIO(), TiffImagePlugin.ImageFileDirectory_v2()
    for tag, (kind, value) in (tags or {}).items():
        info.tagtype[tag] = kind
        info[tag] = value
    Image.fromarray(values).save(file, "TIFF", tiffinfo=info, **options)
    return file.getvalue()


def settled(*files: bytes) -> Preprocess:
    looks = [look_at(data, TARGET) for data in files]
    return replace(SMALL, value_ranges=settle_ranges([look for look in looks if look is not None]))


def grays(data: bytes, preprocess: Preprocess) -> NDArray[np.float64]:
    return decode(data, preprocess).pixels[..., 0].astype(float)


DEEP: dict[str, tuple[Callable[[NDArray[np.float64]], bytes], float, float]] = {
    "8 bits in 16, shifted": (lambda x: tiff((x * 765 + 291).astype(np.uint16)), 291, 1056),
    "10 bits": (lambda x: tiff((x * 1023).astype(np.uint16)), 0, 1023),
    "12 bits with a black level": (lambda x: png16((x * 3800 + 240).astype(np.uint16)), 0, 4095),
    "14 bits": (lambda x: png16((x * 16383).astype(np.uint16)), 0, 16383),
    "16 bits": (lambda x: png16((x * 65535).astype(np.uint16)), 0, 65535),
    "a thermal camera": (lambda x: tiff((x * 1500 + 7200).astype(np.uint16)), 7200, 8700),
    "Hounsfield units": (lambda x: npy((x * 4000 - 1024).astype(np.int16)), -1024, 2976),
    "32-bit integers": (lambda x: tiff((x * 90_000 + 5_000).astype(np.int32)), 5_000, 95_000),
    "64-bit integers": (lambda x: npy((x * 1000).astype(np.uint64)), 0, 1023),
    "floats to 1": (lambda x: tiff(x.astype(np.float32)), 0, 1),
    "floats to 255": (lambda x: npy((x * 255).astype(np.float64)), 0, 255),
    "floats to 65535": (lambda x: npy((x * 65535).astype(np.float32)), 0, 65535),
    "floats around 0": (lambda x: npy((x * 2 - 1).astype(np.float16)), -1, 1),
    "kelvins": (lambda x: tiff((x * 40 + 280).astype(np.float32)), 280, 320),
}


@pytest.mark.parametrize("kind", DEEP)
def test_deep_pictures_look_like_their_8_bit_twins(kind: str) -> None:
    write, low, high = DEEP[kind]
    data = write(unit())
    preprocess = settled(data)
    assert preprocess.value_ranges is not None
    (each,) = preprocess.value_ranges
    span = high - low
    assert each.low == pytest.approx(low, abs=span / 14)
    assert each.high == pytest.approx(high, abs=span / 14)
    assert np.abs(grays(data, preprocess) - unit() * 255).mean() < 12


@pytest.mark.parametrize("kind", DEEP)
def test_a_dark_picture_stays_dark_beside_the_others_of_its_dataset(kind: str) -> None:
    write, *_ = DEEP[kind]
    dark = write(unit() * 0.1)
    preprocess = settled(*[write(unit()) for _ in range(9)], dark)
    assert grays(dark, preprocess).mean() < 40


@pytest.mark.parametrize("odd", [np.inf, -np.inf, np.nan, 1.02, -0.03, 40.0, -1e30])
@pytest.mark.parametrize(("scale", "shift"), [(1, 0), (255, 0), (2, -1)])
def test_single_numbers_change_neither_the_range_nor_the_picture(odd: float, scale: float, shift: float) -> None:
    values = (unit() * scale + shift).astype(np.float32)
    plain = settled(npy(values))
    values[3, 5] = odd * scale
    data = npy(values)
    assert settled(data) == plain
    expected = grays(npy((unit() * scale + shift).astype(np.float32)), plain)
    changed = np.abs(grays(data, settled(data)) - expected) > 1
    assert changed.sum() <= 1


@pytest.mark.parametrize(
    "values",
    [
        (np.clip(np.random.default_rng(0).normal(size=(64, 64, 3)), -2.1, 2.6)).astype(np.float32),
        ((unit() * 2 - 1) * 30).astype(np.float32),
        (unit() - 0.3).astype(np.float64),
        (unit() * 60 - 20).astype(np.float32),
    ],
    ids=["normalized", "temperatures around zero", "neither 0 to 1 nor -1 to 1", "some temperatures below zero"],
)
def test_floats_that_do_not_say_which_is_black_are_refused(values: NDArray[Any]) -> None:
    sample = look_at(npy(values), TARGET)
    assert sample is not None
    with pytest.raises(UnclearRangeError):
        settle_ranges([sample])


def test_normalized_tensors_are_called_what_they_are() -> None:
    values = np.random.default_rng(0).normal(size=(64, 64, 3)).astype(np.float32)
    with pytest.raises(UnclearRangeError, match="normalized for a network"):
        settle_ranges([sample_values(DeepPixels("float", values))])


MAX_SAMPLE, MIN_SAMPLE, SMIN, SMAX, PHOTOMETRIC = 281, 280, 340, 341, 262
SHORT, FLOAT = 3, 11


@pytest.mark.parametrize(
    ("tags", "low", "high"),
    [
        ({MAX_SAMPLE: (SHORT, 4095)}, 0, 4095),
        ({MIN_SAMPLE: (SHORT, 100), MAX_SAMPLE: (SHORT, 2500)}, 100, 2500),
        ({SMIN: (SHORT, 50), SMAX: (SHORT, 3000)}, 50, 3000),
    ],
)
def test_a_tiffs_own_tags_decide(tags: dict[int, Any], low: float, high: float) -> None:
    data = tiff((unit() * 900 + 150).astype(np.uint16), tags)
    ranges = settled(data).value_ranges
    assert ranges is not None
    assert (ranges[0].low, ranges[0].high) == (low, high)
    assert "tags" in ranges[0].basis


def test_tags_that_the_numbers_contradict_say_nothing() -> None:
    data = tiff((unit() * 3500).astype(np.uint16), {MAX_SAMPLE: (SHORT, 300)})
    ranges = settled(data).value_ranges
    assert ranges is not None
    assert (ranges[0].low, ranges[0].high) == (0, 4095)


def test_significant_bits_of_a_png_decide_where_the_numbers_were_not_stretched() -> None:
    dark = (unit() * 700).astype(np.uint16)
    for data, high in ((png16(dark, 12), 4095), (png16((unit() * 65535).astype(np.uint16), 12), 65535)):
        ranges = settled(data).value_ranges
        assert ranges is not None
        assert (ranges[0].low, ranges[0].high) == (0, high)


def test_the_smallest_number_may_be_white() -> None:
    deep = (unit() * 4095).astype(np.uint16)
    data = tiff(deep, {PHOTOMETRIC: (SHORT, 0)})
    preprocess = settled(tiff(deep))
    assert np.abs(grays(data, preprocess) + grays(tiff(deep), preprocess) - 255).max() <= 1


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("top", [1023, 65535])
def test_16_bit_files_are_read_at_their_full_depth(channels: int, top: int) -> None:
    values = (np.stack([unit(), unit()[::-1], unit().T, np.ones((64, 64))], axis=2) * top).astype(np.uint16)
    values = values[..., [0]] if channels == 1 else values[..., [0, 3]] if channels == 2 else values[..., :channels]
    if channels in (2, 4):
        values[..., -1] = 65535
    data = png16(values[..., 0] if channels == 1 else values)
    pixels = decode(data, settled(data)).pixels.astype(float)
    expected = values[..., :3] if channels > 2 else np.repeat(values[..., :1], 3, axis=2)
    assert np.abs(pixels - expected / top * 255).max() <= 1.5


@pytest.mark.parametrize("channels", [2, 4])
def test_an_alpha_channel_may_have_as_many_bits_as_the_colors(channels: int) -> None:
    values = np.repeat((unit() * 4095).astype(np.uint16)[..., None], channels, axis=2)
    values[..., -1] = 4095
    data = png16(values)
    assert np.abs(grays(data, settled(data)) - unit() * 255).max() <= 1


@pytest.mark.parametrize("shape", [(2, 60_000), (60_000, 2), (1, 9_000)])
def test_very_thin_images_are_sampled_too(shape: tuple[int, int]) -> None:
    sample = sample_values(DeepPixels("uint16", np.full(shape, 700, np.uint16)))
    assert 1_000 < len(sample.values) < 20_000


@pytest.mark.parametrize(("maximum", "white"), [(1023, 65535), (65535, 4095)])
def test_a_ppm_names_its_maximum_unless_that_is_the_whole_of_the_type(maximum: int, white: int) -> None:
    top = min(maximum, 4095)
    gray = (unit() * top * 0.9).round().astype(">u2")
    for kind, values in (("P5", gray), ("P6", np.repeat(gray[..., None], 3, axis=2))):
        data = f"{kind}\n64 64\n{maximum}\n".encode() + values.tobytes()
        ranges = settled(data).value_ranges
        assert ranges is not None
        assert (ranges[0].low, ranges[0].high) == (0, white)
        assert np.abs(grays(data, settled(data)) - unit() * 0.9 * 255).max() <= 1


def jpeg_2000(values: NDArray[Any], bits: int | None = None) -> bytes:
    """Write a JPEG 2000 file, and have it say another number of bits than its numbers fill."""
    file = io.BytesIO()
    Image.fromarray(values).save(file, "JPEG2000", no_jp2=True)
    data = bytearray(file.getvalue())
    if bits is not None:
        for channel in range(values.shape[2] if values.ndim == 3 else 1):
            data[42 + 3 * channel] = bits - 1
    return bytes(data)


def test_jpeg_2000_of_16_bits_may_hold_fewer() -> None:
    data = jpeg_2000((unit() * 4095).astype(np.uint16))
    assert np.abs(grays(data, settled(data)) - unit() * 255).max() <= 2
    look = look_at(jpeg_2000(np.full((64, 64), 3, np.uint16), bits=12), TARGET)
    assert look is not None
    assert look.declared == (0, 65535)


def test_colors_whose_white_a_decoder_would_turn_black_are_rejected() -> None:
    colors = np.repeat((unit() * 255).astype(np.uint8)[..., None], 3, axis=2)
    assert np.abs(grays(jpeg_2000(colors), SMALL) - colors[..., 0]).max() <= 1
    with pytest.raises(Rejected, match="white into black") as caught:
        decode(jpeg_2000(colors, bits=12), SMALL)
    assert caught.value.status == "broken"


@pytest.mark.parametrize("transparent", [True, False])
def test_16_bit_colors_that_stand_for_transparency(transparent: bool) -> None:
    colors = np.full((64, 64, 3), 9000, np.uint16)
    # The same high bytes, and another color.
    colors[:, :32] = 9001
    data = png16(colors, transparent=[9000, 9000, 9000] if transparent else None)
    pixels = decode(data, replace(SMALL, value_ranges=(ValueRange("", 0, 65535),))).pixels
    assert (pixels[:, 40:] == (255 if transparent else 35)).all()
    assert (pixels[:, :24] == 35).all()


def test_a_range_by_hand_is_for_every_kind() -> None:
    preprocess = replace(SMALL, value_ranges=(ValueRange("", 0, 1000),))
    values = np.full((64, 64), 500)
    for data in (tiff(values.astype(np.uint16)), npy(values.astype(np.int32)), npy(values.astype(np.float32))):
        assert grays(data, preprocess) == pytest.approx(128, abs=1)


def test_numbers_of_a_kind_that_no_sample_had_are_rejected_and_told() -> None:
    with pytest.raises(Rejected, match="value range") as caught:
        decode(npy(np.zeros((64, 64), np.float32)), replace(SMALL, value_ranges=(ValueRange("uint16", 0, 9),)))
    assert caught.value.status == "no-range"
    # Bytes need no range.
    assert decode(npy(np.zeros((64, 64), np.uint8)), replace(SMALL, value_ranges=())).pixels.max() == 0


def test_datasets_of_one_camera_get_the_same_range() -> None:
    random = np.random.default_rng(1)

    def dataset() -> list[ValueSample]:
        return [ValueSample("uint16", random.normal(900, 160, 4096)) for _ in range(32)]

    ranges = {settle_ranges(dataset()) for _ in range(40)}
    assert len(ranges) <= 2


def test_looking_from_another_process_sees_the_same() -> None:
    data = tiff((unit() * 765 + 291).astype(np.uint16), {MAX_SAMPLE: (SHORT, 2000)})
    here, there = look_at(data, TARGET), look_in_subprocess(data, SMALL)
    assert here is not None
    assert there is not None
    np.testing.assert_array_equal(here.values, there.values)
    assert (here.kind, here.declared) == (there.kind, there.declared)
    file = io.BytesIO()
    Image.new("RGB", (64, 64)).save(file, "PNG")
    assert look_in_subprocess(file.getvalue(), SMALL) is None
    with pytest.raises(Rejected):
        look_in_subprocess(b"words", SMALL)


@given(
    st.sampled_from([np.uint16, np.int16, np.int32, np.uint32, np.int64, np.float16, np.float32, np.float64]),
    st.floats(-1e4, 1e4),
    st.floats(1, 1e4),
    st.integers(0, 2**32 - 1),
)
def test_a_range_maps_its_ends_to_black_and_white(dtype: Any, low: float, span: float, seed: int) -> None:
    values = np.random.default_rng(seed).uniform(-2e4, 2e4, (7, 5))
    values = np.maximum(values, 0 if np.dtype(dtype).kind == "u" else -np.inf).astype(dtype)
    pixels = np.asarray(to_8_bits(DeepPixels("any", values), ValueRange("any", low, low + span))).astype(float)
    expected = np.clip((values.astype(float) - low) / span * 255, 0, 255)
    assert np.abs(pixels - expected).max() <= 0.51


def test_bytes_are_not_deep() -> None:
    for mode in ("1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "YCbCr"):
        assert deep_kind(Image.new(mode, (4, 4))) is None
