"""Decoding in a subprocess gives what decoding in this process gives, and a decoder that dies costs one image."""

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from image_files import find_torture_folder
from PIL import Image

from gapscope.decode import children
from gapscope.decode.children import _DecoderPool, decode_in_subprocess, thumbnail_in_subprocess
from gapscope.decode.picture import decode, make_target
from gapscope.errors import GapscopeError
from gapscope.settings import Preprocess
from gapscope.sources import Box
from gapscope.sources.rejects import STATUSES, Rejected

PREPROCESS = Preprocess(size=64)


def photograph(seed: int, side: int = 90) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side + 30, 3)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).resize((side * 2, side)).save(file, "JPEG", quality=70 + seed % 20)
    return file.getvalue()


# A plugin that crashes, hangs or prints when it meets bytes of its own, as native decoders do.
MISBEHAVE = """
import os, sys, time
from PIL import Image
def accept(start):
    if start.startswith(b"CRASH"):
        os.kill(os.getpid(), 11)
    if start.startswith(b"HANG"):
        time.sleep(600)
    if start.startswith(b"PRINT"):
        os.write(1, b"noise\\n" * 1000); os.write(2, b"noise\\n" * 1000)
    if start.startswith(b"FULL"):
        bytearray(2**40)
    return False
Image.register_open("ODD", lambda file, name: None, accept)
"""


@pytest.fixture
def odd(monkeypatch: pytest.MonkeyPatch) -> Iterator[_DecoderPool]:
    """Two decoders that know the odd format."""
    boot = children._BOOT.replace(
        "serve({memory})", MISBEHAVE.replace("{", "{{").replace("}", "}}") + "serve({memory})"
    )
    monkeypatch.setattr(children, "_BOOT", boot)
    decoders = _DecoderPool(2)
    yield decoders
    decoders.close()


def test_it_is_what_this_process_decodes() -> None:
    for seed, box in ((1, None), (2, Box(10.0, 5.0, 70.0, 40.0))):
        ours, theirs = (
            decode_in_subprocess(photograph(seed), PREPROCESS, box),
            decode(photograph(seed), PREPROCESS, box),
        )
        np.testing.assert_array_equal(ours.pixels, theirs.pixels)
        assert ours.jpeg_quality == 70 + seed
        for name in ("bytes", "format", "width", "height", "jpeg_quality", "mean", "std"):
            assert getattr(ours, name) == getattr(theirs, name)
    assert thumbnail_in_subprocess(photograph(1), 40, PREPROCESS).shape == (20, 40, 3)
    with pytest.raises(Rejected) as caught:
        decode_in_subprocess(b"words", PREPROCESS)
    assert caught.value.status == "not-an-image"


def test_many_threads_get_their_own_pictures() -> None:
    data = [photograph(seed, 60 + seed) for seed in range(24)]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda file: decode_in_subprocess(file, PREPROCESS).pixels, data))
    for file, pixels in zip(data, results, strict=True):
        np.testing.assert_array_equal(pixels, decode(file, PREPROCESS).pixels)


@pytest.mark.parametrize(
    ("data", "status", "reason"),
    [
        (b"CRASH" + b"x" * 90, "crashed", "SIGSEGV"),
        (b"FULL" + b"x" * 90, "too-large", "memory"),
        (b"PRINT" + b"x" * 90, "not-an-image", "no decoder"),
    ],
)
def test_a_decoder_that_misbehaves_costs_one_image(odd: _DecoderPool, data: bytes, status: str, reason: str) -> None:
    for _ in range(3):
        with pytest.raises(Rejected, match=reason) as caught:
            odd.shrink(data, make_target(PREPROCESS), None)
        assert caught.value.status == status
        assert odd.shrink(photograph(1), make_target(PREPROCESS), None).format == "JPEG"


def test_a_decoder_that_never_answers_is_stopped(odd: _DecoderPool, monkeypatch: pytest.MonkeyPatch) -> None:
    assert odd.shrink(photograph(1), make_target(PREPROCESS), None).format == "JPEG"
    monkeypatch.setattr(children, "TIMEOUT_SECONDS", 1)
    with pytest.raises(Rejected, match="did not answer in 1 seconds") as caught:
        odd.shrink(b"HANG" + b"x" * 90, make_target(PREPROCESS), None)
    assert caught.value.status == "crashed"
    monkeypatch.undo()
    assert decode_in_subprocess(photograph(1), PREPROCESS).format == "JPEG"


def test_a_decoder_that_does_not_start_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "_BOOT", "import no_such_module_{memory}")
    with pytest.raises(
        GapscopeError,
        match="needs Pillow, NumPy and simplejpeg, does not start: "
        "ModuleNotFoundError: No module named 'no_such_module_",
    ):
        _DecoderPool(1).shrink(b"words", make_target(PREPROCESS), None)


def test_a_decoder_is_light_and_ends_with_its_parent(tmp_path: Path) -> None:
    modules = tmp_path / "modules.txt"
    boot = children._BOOT.replace(
        "serve({memory})", f"open({str(modules)!r}, 'w').write(' '.join(sys.modules))\nserve({{memory}})"
    )
    program = f"""
from gapscope.decode import children
children._BOOT = {boot!r}
try:
    children.decode_in_subprocess(b"words", __import__("gapscope.settings").settings.Preprocess(size=64))
except Exception:
    pass
decoders = children._decoders()
print(*[child._process.pid for child in decoders._all if child._process], flush=True)
import os
os.kill(os.getpid(), 9)
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=False)
    children_left = [int(pid) for pid in done.stdout.split()]
    assert children_left, done.stderr
    assert not {"torch", "pandas", "pyarrow", "zarr", "dask", "fsspec"} & set(modules.read_text().split())
    for pid in children_left:
        # Its input ends with its parent; it is gone as soon as it has noticed.
        gone = subprocess.run(["tail", f"--pid={pid}", "-s", "0.05", "-f", "/dev/null"], timeout=30, check=False)
        assert gone.returncode == 0


def test_odd_and_hostile_files_are_decoded_or_rejected_in_silence(capfd: pytest.CaptureFixture[str]) -> None:
    torture = find_torture_folder()
    if torture is None:
        pytest.skip("no torture images in shared/data/torture beside the repository, nor where GAPSCOPE_TORTURE says")
    statuses: dict[str, str] = {}
    for path in sorted(torture.iterdir()):
        try:
            assert decode_in_subprocess(path.read_bytes(), PREPROCESS).pixels.shape == (64, 64, 3)
            statuses[path.name] = "ok"
        except Rejected as rejected:
            statuses[path.name] = rejected.status if rejected.error else "without a reason"
    assert len(statuses) == len(list(torture.iterdir()))
    assert set(statuses.values()) <= set(STATUSES)
    assert sum(status == "ok" for status in statuses.values()) >= 0.75 * len(statuses)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "answer",
    [
        {"kind": "int99", "count": 1, "declared": None},
        {"kind": "uint16", "count": 10**9, "declared": None},
        {"kind": "uint16", "count": -1, "declared": None},
    ],
    ids=["a kind that there is not", "more values than were written", "fewer than none"],
)
def test_what_a_decoder_says_of_values_is_checked(answer: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    escaped = repr(answer).replace("{", "{{").replace("}", "}}")
    boot = children._BOOT.replace("serve({memory})", f"serve({{memory}}, lambda *_: {escaped})")
    monkeypatch.setattr(children, "_BOOT", boot)
    decoders = _DecoderPool(1)
    try:
        with pytest.raises(Rejected, match="the decoder's response is"):
            decoders.look(photograph(1), make_target(PREPROCESS))
    finally:
        decoders.close()
