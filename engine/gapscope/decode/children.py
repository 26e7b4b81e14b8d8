"""Decoding in separate processes, so that a file that crashes a decoder costs one image and not the run."""

import atexit
import json
import math
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path
from queue import LifoQueue
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from gapscope.decode.child import READY, DecodeRequest, TargetFields, write_all
from gapscope.decode.deep import KINDS
from gapscope.decode.picture import Picture, make_picture, make_target, make_thumbnail
from gapscope.decode.shrink import ShrunkImage, Target
from gapscope.decode.value_range import ValueSample
from gapscope.errors import DecoderError
from gapscope.progress import plain_line
from gapscope.settings import Preprocess
from gapscope.sources.entry import Box
from gapscope.sources.rejects import STATUSES, Rejected

TIMEOUT_SECONDS = 120
"""How long a decoder may take for one request, or to start."""

_STDERR_TAIL_BYTES = 4096
_KEPT_BYTES = 16 * 2**20
"""Size up to which a memory file is kept between images: new pages cost more than the copies into them."""

_ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",
    # The allocator keeps an image's memory for the next image: getting it from the system anew, page by page, costs as
    # much for a small photograph as decoding it does.
    "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": str(128 * 2**20),
}

# Not multiprocessing: fork does not work with threads, and spawn runs the user's main module again.
_BOOT = """
import sys
sys.path.insert(0, {folder!r})
from gapscope.decode.child import serve
serve({memory})
"""

Response = dict[str, Any]
"""What a decoder process sent. A hostile file may have taken it over, so that it is parsed as plain JSON, and sizes are
checked before memory is allocated."""


def decode_in_subprocess(data: bytes, preprocess: Preprocess, box: Box | None = None, *, thumbnail: int = 0) -> Picture:
    """Do what `gapscope.decode.picture.decode` does, in another process; may be called from several threads.

    Args:
        data: an encoded image.
        preprocess: size and fit of the square.
        box: the part of the image to decode; None for the whole image.
        thumbnail: longest side in pixels of a thumbnail of the decoded part; 0 for none.

    Raises:
        Rejected: the image cannot be decoded, or its decoder crashes or does not respond in time.
        DecoderError: the process cannot be started.
    """
    return make_picture(_decoders().shrink(data, make_target(preprocess, thumbnail), box), preprocess)


def thumbnail_in_subprocess(
    data: bytes, side: int, preprocess: Preprocess, box: Box | None = None
) -> NDArray[np.uint8]:
    """Decode an image, or the part of it in `box`, to a thumbnail; size and fit do not matter.

    Returns:
        (height, width, 3) uint8, at most `side` pixels high and wide.

    Raises:
        Rejected: as `decode_in_subprocess`.
        DecoderError: as `decode_in_subprocess`.
    """
    target = replace(make_target(preprocess), size=side, fit="inside")
    return make_thumbnail(_decoders().shrink(data, target, box), side)


def look_in_subprocess(data: bytes, preprocess: Preprocess) -> ValueSample | None:
    """Return some values of an image with other than 8 bits; None if it has 8.

    Raises:
        Rejected: as `decode_in_subprocess`, as far as the header tells.
        DecoderError: as `decode_in_subprocess`.
    """
    return _decoders().look(data, make_target(preprocess))


@lru_cache(maxsize=1)
def _decoders() -> "_DecoderPool":
    decoders = _DecoderPool(len(os.sched_getaffinity(0)))
    atexit.register(decoders.close)
    return decoders


class _DecoderPool:
    """Up to `max_processes` decoder processes, started as concurrent calls need them."""

    def __init__(self, max_processes: int) -> None:
        # Last in, first out: the process that was used last is used next, so that no more start than are needed.
        self._idle: LifoQueue[DecoderProcess] = LifoQueue()
        self._all = [DecoderProcess(_BOOT) for _ in range(max_processes)]
        for process in reversed(self._all):
            self._idle.put(process)

    def shrink(self, data: bytes, target: Target, box: Box | None) -> ShrunkImage:
        request: DecodeRequest = {"target": _fields(target), "bytes": len(data), "box": box, "look": False}
        with self._borrowed() as process:
            return _parse_response(process.call(data, request), process, len(data))

    def look(self, data: bytes, target: Target) -> ValueSample | None:
        request: DecodeRequest = {"target": _fields(target), "bytes": len(data), "box": None, "look": True}
        with self._borrowed() as process:
            return _parse_look(process.call(data, request), process)

    @contextmanager
    def _borrowed(self) -> Iterator["DecoderProcess"]:
        process = self._idle.get()
        try:
            yield process
        finally:
            self._idle.put(process)

    def close(self) -> None:
        for process in self._all:
            process.stop()


class DecoderProcess:
    """One decoder process, started on the first request and again after it has died.

    Args:
        boot: the program that it runs; `{folder}` stands for the folder that holds the package,
            `{memory}` for the memory file.
        needs: the packages that it needs, for the message when it does not start.
    """

    def __init__(self, boot: str, needs: str = "Pillow, NumPy and simplejpeg") -> None:
        self._boot = boot
        self._needs = needs
        self._process: subprocess.Popen[bytes] | None = None
        self._memory = -1

    def call(self, data: bytes, request: Mapping[str, Any]) -> Response:
        """Write `data` to the memory file, send a request, and return the response.

        Raises:
            Rejected: the process crashes, does not respond in time, or reports a failure.
            DecoderError: the process cannot be started.
        """
        process = self._started()
        try:
            if os.fstat(self._memory).st_size > _KEPT_BYTES:
                os.ftruncate(self._memory, 0)
            write_all(self._memory, data)
            response = _exchange(process, request)
        except BrokenPipeError:
            response = None
        except BaseException:
            # If the wait was interrupted, the response would be taken for that to the next request.
            self.stop()
            raise
        if response is None:
            raise self._crash(process)
        if "status" in response:
            raise Rejected(response["status"] if response["status"] in STATUSES else "broken", str(response["error"]))
        return response

    def read(self, length: int) -> bytearray:
        """Return the first `length` bytes of the memory file, which the last response describes.

        Raises:
            Rejected: the file is shorter.
        """
        # The length comes from the process and may be wrong, so it is checked before memory is allocated.
        complete = 0 <= length <= os.fstat(self._memory).st_size
        data = bytearray(length if complete else 0)
        if not complete or os.preadv(self._memory, [data], 0) != length:
            raise Rejected("broken", "the decoder's response is incomplete")
        return data

    def stop(self) -> None:
        """Kill the process, if it has been started."""
        if self._process is None:
            return
        self._process.kill()
        self._process.communicate()
        os.close(self._memory)
        self._process = None

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        self.stop()
        self._memory = os.memfd_create("gapscope-decoder")
        folder = str(Path(__file__).parents[2])
        command = [sys.executable, "-P", "-c", self._boot.format(folder=folder, memory=self._memory)]
        with os.fdopen(os.memfd_create("gapscope-decoder-errors"), "w+b") as stderr:
            try:
                self._process = subprocess.Popen(  # noqa: S603
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=stderr,
                    pass_fds=[self._memory],
                    env=os.environ | _ENVIRONMENT | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                )
            except OSError as error:
                os.close(self._memory)
                raise DecoderError(f"a decoder process cannot be started: {error.strerror}") from error
            if _read_line(self._process) != READY.encode() + b"\n":
                timed_out = self._process.poll() is None and not _is_exiting(self._process)
                process = self._process
                self.stop()
                reason = f"no output for {TIMEOUT_SECONDS} seconds" if timed_out else _last_line(stderr, process)
                raise DecoderError(f"a decoder process, which needs {self._needs}, does not start: {reason}")
        return self._process

    def _crash(self, process: subprocess.Popen[bytes]) -> Rejected:
        timed_out = process.poll() is None and not _is_exiting(process)
        self.stop()
        if timed_out:
            return Rejected("crashed", f"the decoder did not answer in {TIMEOUT_SECONDS} seconds")
        return Rejected("crashed", f"the decoder crashed ({_exit_reason(process)})")


def _parse_response(response: Response, process: DecoderProcess, length: int) -> ShrunkImage:
    n_bytes, thumbnail_shape = _n_bytes(response["shape"]), response["thumbnail"]
    data = process.read(n_bytes + (0 if thumbnail_shape is None else _n_bytes(thumbnail_shape)))
    pixels = np.frombuffer(data, np.uint8)
    quality = response["jpeg_quality"]
    return ShrunkImage(
        pixels[:n_bytes].reshape(response["shape"]),
        length,
        str(response["format"]),
        int(response["width"]),
        int(response["height"]),
        None if quality is None else int(quality),
        None if thumbnail_shape is None else pixels[n_bytes:].reshape(thumbnail_shape),
        str(response["damage"]),
    )


def _parse_look(response: Response, process: DecoderProcess) -> ValueSample | None:
    kind = str(response["kind"])
    if not kind:
        return None
    if kind not in KINDS:
        raise Rejected("broken", "the decoder's response is not an image")
    values = np.frombuffer(process.read(8 * int(response["count"])), np.float64)
    if response["declared"] is None:
        return ValueSample(kind, values)
    black, white = (float(end) for end in response["declared"])
    return ValueSample(kind, values, (black, white) if black < white < math.inf else None)


def _n_bytes(shape: Sequence[int]) -> int:
    height, width, channels = (int(length) for length in shape)
    if channels != 3:
        raise Rejected("broken", "the decoder's response is not an image")
    return height * width * channels


# Every image of a run has the same target, and `asdict` is slow.
@lru_cache(maxsize=8)
def _fields(target: Target) -> TargetFields:
    return cast("TargetFields", asdict(target))


def _exchange(process: subprocess.Popen[bytes], request: Mapping[str, Any]) -> Response | None:
    """Send a request and return the response; None if there is none."""
    assert process.stdin is not None
    process.stdin.write(json.dumps(request).encode() + b"\n")
    process.stdin.flush()
    line = _read_line(process)
    return json.loads(line) if line.endswith(b"\n") else None


def _read_line(process: subprocess.Popen[bytes]) -> bytes:
    """Return the next line of a process's output, less than a line if the process ends, or nothing after a timeout."""
    assert process.stdout is not None
    poll = select.poll()
    poll.register(process.stdout, select.POLLIN | select.POLLHUP)
    return process.stdout.readline() if poll.poll(TIMEOUT_SECONDS * 1000) else b""


def _exit_reason(process: subprocess.Popen[bytes]) -> str:
    code = process.returncode
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _last_line(stderr: IO[bytes], process: subprocess.Popen[bytes]) -> str:
    """Return the last line that a process wrote before it ended; the last line of a traceback is the exception."""
    stderr.seek(0)
    lines = stderr.read()[-_STDERR_TAIL_BYTES:].decode(errors="replace").split("\n")
    return next((plain_line(line.strip())[:200] for line in reversed(lines) if line.strip()), _exit_reason(process))


def _is_exiting(process: subprocess.Popen[bytes]) -> bool:
    """Tell whether a process has closed its output and exits within seconds."""
    assert process.stdout is not None
    poll = select.poll()
    poll.register(process.stdout, select.POLLIN | select.POLLHUP)
    if not poll.poll(0):
        return False
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        return False
    return True
