"""Decoding in processes of its own, so that a file that crashes a decoder costs one image and not the run."""

import atexit
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from queue import LifoQueue
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from gapscope.decode.child import READY, write_all
from gapscope.decode.picture import Picture, picture_of, target_of, thumbnail_of
from gapscope.decode.shrink import Shrunk, Target
from gapscope.errors import DecoderError
from gapscope.progress import plain_line
from gapscope.settings import Preprocess
from gapscope.sources.entry import Box
from gapscope.sources.rejects import STATUSES, Rejected

ANSWER_SECONDS = 120
"""Longest that a decoder may take for one image."""

_LAST_BYTES = 4096
_KEPT_BYTES = 16 * 2**20
"""Of a memory file that stay in place between images: fresh pages cost more than the copies into them."""

_ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",
    # Memory that an image took stays for the next one: taking it from the system anew, page by page, costs a small
    # photograph as much as decoding it does.
    "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": str(128 * 2**20),
}

# Not multiprocessing: fork and threads do not go together, and spawn runs the user's main module again.
_BOOT = """
import sys
sys.path.insert(0, {folder!r})
from gapscope.decode.child import serve
serve({memory})
"""


def decode_in_subprocess(data: bytes, frame: Preprocess, box: Box | None = None, *, thumbnail: int = 0) -> Picture:
    """Do what `decode` does, in another process; may be called from several threads.

    Args:
        data: an encoded image.
        frame: what the image becomes.
        box: the part of it that is meant; None for all of it.
        thumbnail: longest side in pixels of a small picture of the whole image that comes along; 0 for none.

    Raises:
        Rejected: as `decode`; also where the decoder crashes or does not come back.
    """
    return picture_of(_decoders().shrink(data, target_of(frame, thumbnail), box), frame)


def thumbnail_in_subprocess(data: bytes, side: int, max_pixels: int, box: Box | None = None) -> NDArray[np.uint8]:
    """Decode one image, or the part of it in `box`, to (height, width, 3) pixels of at most `side` x `side`.

    Raises:
        Rejected: as `decode_in_subprocess`.
    """
    return thumbnail_of(_decoders().shrink(data, Target(side, "inside", max_pixels), box), side)


@lru_cache(maxsize=1)
def _decoders() -> "_Decoders":
    decoders = _Decoders(len(os.sched_getaffinity(0)))
    atexit.register(decoders.close)
    return decoders


class _Decoders:
    """As many processes as are asked at a time, up to a number; started when they are first needed."""

    def __init__(self, most: int) -> None:
        # The one that was used last comes first, so that no more start than are needed.
        self._idle: LifoQueue[Child] = LifoQueue()
        self._all = [Child(_BOOT) for _ in range(most)]
        for child in reversed(self._all):
            self._idle.put(child)

    def shrink(self, data: bytes, target: Target, box: Box | None) -> Shrunk:
        child = self._idle.get()
        try:
            request = {"target": _as_json(target), "bytes": len(data), "box": box}
            return _shrunk(child.ask(data, request), child, len(data))
        finally:
            self._idle.put(child)

    def close(self) -> None:
        for child in self._all:
            child.stop()


class Child:
    """One decoder process, started anew when it has died.

    Args:
        boot: the program that it runs; `{folder}` stands for the folder that holds the package,
            `{memory}` for the memory file.
        needs: what has to be installed for it, in words.
    """

    def __init__(self, boot: str, needs: str = "Pillow and NumPy") -> None:
        self._boot = boot
        self._needs = needs
        self._process: subprocess.Popen[bytes] | None = None
        self._memory = -1

    def ask(self, data: bytes, request: Mapping[str, Any]) -> dict[str, Any]:
        """Leave `data` in the memory file, send a request, and return the answer.

        Raises:
            Rejected: the process crashed over it, did not come back, or says why it refuses.
            DecoderError: the process cannot be started.
        """
        process = self._started()
        try:
            if os.fstat(self._memory).st_size > _KEPT_BYTES:
                os.ftruncate(self._memory, 0)
            write_all(self._memory, data)
            answer = _asked(process, request)
        except BrokenPipeError:
            answer = None
        except BaseException:
            # Whatever stopped the wait, the answer would come to the next question.
            self.stop()
            raise
        if answer is None:
            raise self._crashed(process)
        if "status" in answer:
            raise Rejected(answer["status"] if answer["status"] in STATUSES else "broken", str(answer["error"]))
        return answer

    def read(self, length: int) -> bytearray:
        """Return so many bytes of the memory file, which an answer is about.

        Raises:
            Rejected: there are not as many.
        """
        # What the process says may be wrong, so its size is looked at before memory is taken.
        whole = 0 <= length <= os.fstat(self._memory).st_size
        data = bytearray(length if whole else 0)
        if not whole or os.preadv(self._memory, [data], 0) != length:
            raise Rejected("broken", "the decoder's answer is not whole")
        return data

    def stop(self) -> None:
        """End the process, if there is one."""
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
        with os.fdopen(os.memfd_create("gapscope-decoder-errors"), "w+b") as errors:
            try:
                self._process = subprocess.Popen(  # noqa: S603
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    pass_fds=[self._memory],
                    env=os.environ | _ENVIRONMENT | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                )
            except OSError as error:
                os.close(self._memory)
                raise DecoderError(f"a decoder process cannot be started: {error.strerror}") from error
            if _line(self._process) != READY.encode() + b"\n":
                overdue = self._process.poll() is None and not _ends_soon(self._process)
                process = self._process
                self.stop()
                reason = f"nothing was heard for {ANSWER_SECONDS} seconds" if overdue else _last_words(errors, process)
                raise DecoderError(f"a decoder process, which needs {self._needs}, does not start: {reason}")
        return self._process

    def _crashed(self, process: subprocess.Popen[bytes]) -> Exception:
        overdue = process.poll() is None and not _ends_soon(process)
        self.stop()
        if overdue:
            return Rejected("crashed", f"the decoder did not answer in {ANSWER_SECONDS} seconds")
        return Rejected("crashed", f"the decoder crashed ({_end_of(process)})")


def _shrunk(answer: Mapping[str, Any], child: Child, length: int) -> Shrunk:
    whole, small = _bytes_of(answer["shape"]), answer["thumbnail"]
    data = child.read(whole + (0 if small is None else _bytes_of(small)))
    pixels = np.frombuffer(data, np.uint8)
    quality = answer["jpeg_quality"]
    return Shrunk(
        pixels[:whole].reshape(answer["shape"]),
        length,
        str(answer["format"]),
        int(answer["width"]),
        int(answer["height"]),
        None if quality is None else int(quality),
        None if small is None else pixels[whole:].reshape(small),
    )


def _bytes_of(shape: Sequence[int]) -> int:
    height, width, channels = (int(length) for length in shape)
    if channels != 3:
        raise Rejected("broken", "the decoder's answer is no picture")
    return height * width * channels


# The same for every image of a run, and slow to spell out.
@lru_cache(maxsize=8)
def _as_json(target: Target) -> dict[str, Any]:
    return asdict(target)


def _asked(process: subprocess.Popen[bytes], request: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the answer, None where there is none."""
    assert process.stdin is not None
    process.stdin.write(json.dumps(request).encode() + b"\n")
    process.stdin.flush()
    line = _line(process)
    return json.loads(line) if line.endswith(b"\n") else None


def _line(process: subprocess.Popen[bytes]) -> bytes:
    """Return the next line that a process writes; less than a line where it ends, and nothing where it is overdue."""
    assert process.stdout is not None
    poll = select.poll()
    poll.register(process.stdout, select.POLLIN | select.POLLHUP)
    return process.stdout.readline() if poll.poll(ANSWER_SECONDS * 1000) else b""


def _end_of(process: subprocess.Popen[bytes]) -> str:
    code = process.returncode
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _last_words(errors: IO[bytes], process: subprocess.Popen[bytes]) -> str:
    """Return the last line that a process wrote before it ended, which of a traceback is the exception."""
    errors.seek(0)
    lines = errors.read()[-_LAST_BYTES:].decode(errors="replace").split("\n")
    return next((plain_line(line.strip())[:200] for line in reversed(lines) if line.strip()), _end_of(process))


def _ends_soon(process: subprocess.Popen[bytes]) -> bool:
    """Tell whether a process whose pipe has ended is about to be gone."""
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
