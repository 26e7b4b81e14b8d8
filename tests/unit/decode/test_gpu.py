"""What surrounds the GPU's decoder, with Pillow in its place: which files it gets, batches, and its crashes."""

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Thread
from typing import get_args

import numpy as np
import pytest
import torch
from embed_only import list_and_embed, read_run_arrays
from image_files import encode_image, encode_with_orientation, gradient_image, readable_files
from PIL import Image, ImageOps
from recording_progress import RecordingProgress

from gapscope.decode import children, gpu
from gapscope.decode.dynamic_batcher import DynamicBatcher
from gapscope.decode.gpu import decode_on_gpu
from gapscope.decode.gpu_child import batch_handler
from gapscope.decode.picture import Picture, decode
from gapscope.decode.plain_jpeg import plain_jpeg, upright
from gapscope.device.cpu import Cpu
from gapscope.settings import Fit, Preprocess
from gapscope.sources import Box
from gapscope.sources.rejects import Rejected

PREPROCESS = Preprocess(size=64)
MAX_PIXELS = 10**6

# Reads what it is given to the end, as it is stored; one comment makes it crash, another makes it refuse.
STAND_IN = """
import io, os
import numpy as np, torch
from PIL import Image
from gapscope.decode.child import serve
from gapscope.decode.gpu_child import batch_handler
def decode_one(data):
    if b"CRASH" in data:
        os.kill(os.getpid(), 11)
    if b"REFUSE" in data:
        return None
    return torch.from_numpy(np.array(Image.open(io.BytesIO(data)).convert("RGB")))
serve({memory}, batch_handler(lambda batch: [decode_one(data) for data in batch]))
"""


@pytest.fixture(scope="module")
def stand_in() -> Iterator[None]:
    """The GPU's decoder process with Pillow in it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gpu, "_BOOT", STAND_IN)
        gpu._decoder.cache_clear()
        yield
        gpu._decoder.cache_clear()


@pytest.mark.parametrize("orientation", range(9))
def test_images_are_turned_as_pillow_turns_them(orientation: int) -> None:
    image = gradient_image(7, 5)
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.info["exif"] = exif.tobytes()
    expected = np.asarray(ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(upright(torch.from_numpy(np.array(image)), orientation).numpy(), expected)


def test_only_plain_jpegs_are_for_the_gpu() -> None:
    plain = {name for name, data in readable_files().items() if plain_jpeg(data, MAX_PIXELS)}
    expected = {"plain.jpg", "UPPER.JPEG", "progressive.jpg", "gray.jpg", "profile.jpg"}
    assert plain == expected | {f"turned-{number}.jpg" for number in range(2, 9)}
    assert not plain_jpeg(encode_image(gradient_image(), "JPEG"), 100)
    assert not plain_jpeg(encode_image(gradient_image(), "JPEG")[:-200], MAX_PIXELS)
    assert not plain_jpeg(encode_image(gradient_image(), "JPEG", keep_rgb=True), MAX_PIXELS)
    assert not plain_jpeg(b"\xff\xd8\xff" + b"x" * 50 + b"\xff\xd9", MAX_PIXELS)


def assert_same(actual: Picture, expected: Picture) -> None:
    assert np.abs(actual.pixels.astype(int) - expected.pixels).max() <= 1
    for name in ("bytes", "format", "width", "height", "jpeg_quality"):
        assert getattr(actual, name) == getattr(expected, name)


@pytest.mark.usefixtures("stand_in")
def test_many_threads_get_their_own_pictures_in_batches() -> None:
    data = [encode_with_orientation("JPEG", number) for number in range(2, 9)] * 3 + [
        encode_image(gradient_image(90, 120).convert("L"), "JPEG")
    ]
    with ThreadPoolExecutor(8) as pool:
        pictures = list(pool.map(lambda file: decode_on_gpu(file, PREPROCESS), data))
    for file, picture in zip(data, pictures, strict=True):
        assert_same(picture, decode(file, PREPROCESS))


@pytest.mark.usefixtures("stand_in")
def test_what_the_gpu_does_not_read_is_read_by_the_cpu() -> None:
    plain = encode_image(gradient_image(), "JPEG")
    refused, crashing = (encode_image(gradient_image(), "JPEG", comment=comment) for comment in (b"REFUSE", b"CRASH"))
    for fit in get_args(Fit):
        preprocess = Preprocess(size=64, fit=fit)
        for data in (
            plain,
            refused,
            encode_image(gradient_image(), "PNG"),
            encode_image(gradient_image().convert("CMYK"), "JPEG"),
        ):
            assert_same(decode_on_gpu(data, preprocess), decode(data, preprocess))
    box = Box(9.0, 9.0, 50.0, 40.0)
    assert_same(decode_on_gpu(plain, PREPROCESS, box), decode(plain, PREPROCESS, box))
    # Damage that its header does not show, and that a GPU would pass over.
    damaged = plain[: len(plain) * 2 // 3] + plain[-2:]
    assert plain_jpeg(damaged, MAX_PIXELS)
    cases = ((plain[:-200], "damaged"), (damaged, "damaged"), (b"", "empty"), (b"words", "not-an-image"))
    for data, status in cases:
        with pytest.raises(Rejected) as caught:
            decode_on_gpu(data, PREPROCESS)
        assert caught.value.status == status
    # It dies of the first, and is there again for the second.
    for data in (crashing, plain):
        assert_same(decode_on_gpu(data, PREPROCESS), decode(data, PREPROCESS))


def boot_responding(response: str) -> str:
    """A decoder process without torch, which gives one answer to everything."""
    return children._BOOT.replace("serve({memory})", f"import os\nserve({{memory}}, lambda *_: {response})")


def fallback_reason(boot: str, data: bytes, calls: int) -> str:
    """What a decoder says after it was asked so often, and left every image to the CPU."""
    decoder = gpu.GpuDecoder(boot)
    for _ in range(calls):
        assert decoder(data, PREPROCESS) is None
    return decoder.fallback_reason


def test_a_decoder_that_does_not_start_leaves_all_to_the_cpu_and_says_why() -> None:
    plain = encode_image(gradient_image(), "JPEG")
    boot = "import nvidia_nvimgcodec_of_another_cuda_{memory}"
    assert "ModuleNotFoundError: No module named 'nvidia_nvimgcodec_of" in fallback_reason(boot, plain, 1)
    assert fallback_reason("import os; os.kill(os.getpid(), 11)", plain, 1).endswith("does not start: SIGSEGV")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gpu, "_BOOT", boot)
        gpu._decoder.cache_clear()
        for _ in range(2):
            assert_same(decode_on_gpu(plain, PREPROCESS), decode(plain, PREPROCESS))
        assert gpu.decode_fallback_reason().startswith(
            "a decoder process, which needs nvImageCodec and nvJPEG, does not start: "
        )
    gpu._decoder.cache_clear()


def test_a_run_goes_on_without_the_decoder_and_says_so_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(70):
        (folder / f"{number:02d}.jpg").write_bytes(encode_image(gradient_image(40 + number, 50), "JPEG"))
    progress = RecordingProgress()
    list_and_embed(tmp_path / "by the CPU", {"a": str(folder)}, "inline")
    monkeypatch.setattr(gpu, "_BOOT", "raise OSError('libnvjpeg.so.13: cannot open shared object file') # {memory}")
    gpu._decoder.cache_clear()
    monkeypatch.setattr(Cpu, "decode", lambda _, *args, **options: decode_on_gpu(*args, **options))
    monkeypatch.setattr(Cpu, "decode_fallback_reason", lambda _: gpu.decode_fallback_reason())
    list_and_embed(tmp_path / "run", {"a": str(folder)}, "inline", progress)
    gpu._decoder.cache_clear()
    (note,) = [note for note in progress.notes if "GPU" in note]
    assert note == (
        "the CPU decodes what the GPU should: a decoder process, which needs nvImageCodec and nvJPEG, does not start: "
        "OSError: libnvjpeg.so.13: cannot open shared object file"
    )
    assert "a: 70 listed = 70 read + 0 rejected" in progress.notes
    arrays, expected = read_run_arrays(tmp_path / "run"), read_run_arrays(tmp_path / "by the CPU")
    for name, values in expected.items():
        np.testing.assert_array_equal(arrays[name], values)


def test_a_decoder_that_fails_again_and_again_is_given_up() -> None:
    plain = encode_image(gradient_image(), "JPEG")
    crashes, fails = "os.kill(os.getpid(), 11)", "{{'status': 'crashed', 'error': 'RuntimeError: out of memory'}}"
    assert fallback_reason(boot_responding(crashes), plain, 2) == ""
    assert fallback_reason(boot_responding(crashes), plain, 3) == "the decoder crashed (SIGSEGV), on 3 batches in a row"
    assert fallback_reason(boot_responding(fails), plain, 3) == "RuntimeError: out of memory, on 3 batches in a row"


def test_a_decoder_that_reads_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "_MAX_REFUSALS", 4)
    plain = encode_image(gradient_image(), "JPEG")
    refuses, leaves = "{{'images': [None], 'refused': 1}}", "{{'images': [None], 'refused': 0}}"
    assert fallback_reason(boot_responding(refuses), plain, 3) == ""
    assert fallback_reason(boot_responding(refuses), plain, 4) == "it decodes none of the first 4 plain JPEGs"
    # What is not for the GPU anyway says nothing about it.
    assert fallback_reason(boot_responding(leaves), plain, 6) == ""


@pytest.mark.usefixtures("stand_in")
def test_a_decoder_that_reads_some_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "_MAX_REFUSALS", 2)
    for comment in (b"", *[b"REFUSE"] * 6):
        decode_on_gpu(encode_image(gradient_image(), "JPEG", comment=comment), PREPROCESS)
    assert gpu.decode_fallback_reason() == ""


def test_what_goes_wrong_in_the_decoder_is_reported_in_its_words(tmp_path: Path) -> None:
    plain, odd = encode_image(gradient_image(), "JPEG"), encode_image(gradient_image().convert("CMYK"), "JPEG")
    with (tmp_path / "memory").open("w+b") as memory:
        memory.write(plain + odd)
        memory.flush()
        images = [{"bytes": len(data), "size": 64, "fit": "crop", "max_pixels": MAX_PIXELS} for data in (plain, odd)]

        def no_memory(_: object) -> list[torch.Tensor]:
            raise RuntimeError("CUDA error:\nout of memory")

        response = batch_handler(no_memory)({"images": images}, memory.fileno())
        assert response == {"status": "crashed", "error": "RuntimeError: CUDA error:\nout of memory"}
        response = batch_handler(lambda batch: [None] * len(batch))({"images": images}, memory.fileno())
        assert response == {"images": [None, None], "refused": 1}


def test_calls_are_batched_while_a_batch_is_worked_on() -> None:
    batches: list[list[int]] = []
    started, release = Barrier(2), Barrier(2)

    def process(jobs: list[int]) -> list[int]:
        batches.append(jobs)
        if len(batches) == 1:
            started.wait(30)
            release.wait(30)
        if 13 in jobs:
            raise ValueError("thirteen")
        return [job * 2 for job in jobs]

    double, first_result = DynamicBatcher(process, 3), io.StringIO()
    first = Thread(target=lambda: first_result.write(str(double(1))))
    first.start()
    started.wait(30)
    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(double, job) for job in (2, 3, 4, 5)]
        while double._queue.qsize() < 4:
            pass
        release.wait(30)
        assert sorted(future.result() for future in futures) == [4, 6, 8, 10]
    first.join()
    assert first_result.getvalue() == "2"
    assert [len(batch) for batch in batches] == [1, 3, 1]
    with pytest.raises(ValueError, match="thirteen"):
        double(13)
    assert double(7) == 14
