"""The engine on one GPU: a worker of dask-cuda's, two workers that share it, one that is killed, a run that goes on."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from distributed import Client, LocalCluster
from gpu.embedding import blocks_left, bundled_settings, embed_files, embeddings_of, same, when
from gpu.pictures import SMALL, jpegs, named
from gpu.stage import Found, Part, Setting

from gapscope.bench.watch import Watch
from gapscope.settings import Preprocess

_DISTINCT, _SIDE = 300, 224


def _images(setting: Setting, name: str, count: int) -> Path:
    distinct = jpegs(setting, setting.size(_DISTINCT, 16), setting.size(SMALL, (96, 72)))
    return named(setting.folder(name) / "images", distinct, count)


def _against_inline(setting: Setting, name: str, cluster: str, kill: Client | None = None) -> Iterator[Found]:
    """Embed the same files in this process and on a cluster, where a worker may be killed on the way."""
    images = setting.size(20_000, 70)
    folder = _images(setting, name, images)
    settings = bundled_settings(setting.size(_SIDE, 64))
    alone, run = (folder.parent / each for each in ("alone", "run"))
    seconds, _, _ = embed_files(alone, folder, settings, setting, "inline")
    yield {"images": images, "inline_seconds": seconds}
    found: Found = {}
    if kill is not None:
        threading.Thread(target=_kill_one, args=(kill, run, found), daemon=True).start()
    with Watch() as watch:
        seconds, told, record = embed_files(run, folder, settings, setting, cluster)
    yield {**found, "seconds": seconds, "images_per_second": images / seconds}
    yield {"watched": watch.facts(), "told": told.notes}
    yield same(embeddings_of(alone, settings.levels), embeddings_of(run, settings.levels))
    yield {"read": record.datasets["files"]["read"], "rejected": record.datasets["files"]["rejected"]}


def _kill_one(client: Client, run: Path, found: Found) -> None:
    whole: list[int] = []

    def begun() -> bool:
        left = blocks_left(run)
        whole.append(left or 0)
        return left is not None and left < max(whole)

    if when(begun, 300):
        worker = next(iter(client.run(os.getpid).values()))
        found["killed_with_blocks_left"] = blocks_left(run)
        os.kill(worker, signal.SIGKILL)


def _one(setting: Setting) -> Iterator[Found]:
    """One worker, started as `--cluster cuda` starts it, with memory shared by RMM, torch and CuPy."""
    yield from _against_inline(setting, "one", "cuda" if setting.on_gpu else "local")


def _two(setting: Setting) -> Iterator[Found]:
    """Two workers on the one GPU."""
    with _sharing(setting) as client:
        yield from _against_inline(setting, "two", client.scheduler_info()["address"])


def _killed(setting: Setting) -> Iterator[Found]:
    """Two workers, of which one is killed once a block is done."""
    with _sharing(setting) as client:
        yield from _against_inline(setting, "killed", client.scheduler_info()["address"], kill=client)


@contextmanager
def _sharing(setting: Setting) -> Iterator[Client]:
    # dask-cuda has one worker per GPU at most; two on one are started by Dask itself.
    with (
        LocalCluster(n_workers=2, threads_per_worker=2, memory_limit=None, dashboard_address=None) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        if setting.on_gpu:
            from dask_cuda.plugins import RMMSetup

            # As in gapscope.device.cuda.local_cuda_cluster, but a fifth of the card to begin with, for each of two.
            client.register_plugin(RMMSetup(0.2, None, False, False, None, None, False, ["torch", "cupy"]))
        yield client


def _resumed(setting: Setting) -> Iterator[Found]:
    """A process that embeds is killed on the way; the same command goes on with what is left."""
    images = setting.size(20_000, 70)
    folder = _images(setting, "resumed", images)
    settings = bundled_settings(setting.size(_SIDE, 64))
    alone, run = (folder.parent / each for each in ("alone", "run"))
    embed_files(alone, folder, settings, setting, "inline")
    process = _embedding(run, folder, setting, settings.preprocess.size, "inline")
    seen: list[int] = []

    def begun() -> bool:
        left = blocks_left(run)
        seen.append(left or 0)
        return process.poll() is not None or (left is not None and left < max(seen))

    when(begun, 300)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    yield {"images": images, "blocks": max(seen), "blocks_left_when_killed": blocks_left(run)}
    seconds, told, _ = embed_files(run, folder, settings, setting, "inline")
    yield {"seconds_for_the_rest": seconds, "told": told.notes}
    yield same(embeddings_of(alone, settings.levels), embeddings_of(run, settings.levels))


def _memory(setting: Setting) -> Iterator[Found]:
    """200,000 files, which are the few distinct ones under many names: does memory stay flat?"""
    images = setting.size(200_000, 90)
    folder = _images(setting, "memory", images)
    yield {"images": images, "distinct": setting.size(_DISTINCT, 16)}
    run, side, start = folder.parent / "run", setting.size(_SIDE, 64), time.monotonic()
    cluster = "cuda" if setting.on_gpu else "inline"
    process = _embedding(run, folder, setting, side, cluster)
    with Watch(of=process.pid) as watch:
        while process.poll() is None:
            time.sleep(setting.size(10, 0.5))
            seconds = time.monotonic() - start
            yield {"seconds": seconds, "blocks_left": blocks_left(run), "watched": watch.facts()}
    yield {"exit_code": process.returncode, "images_per_second": images / (time.monotonic() - start)}


def _decoder_memory(setting: Setting) -> Iterator[Found]:
    """One file, decoded again and again: does the decoder keep memory (pytorch/vision#4378)?"""
    (path, *_), frame = jpegs(setting, setting.size(_DISTINCT, 16), setting.size(SMALL, (96, 72))), Preprocess(size=224)
    data, rounds = path.read_bytes(), setting.size(10, 2)
    with Watch() as watch, ThreadPoolExecutor(16) as pool:
        for number in range(1, rounds + 1):
            count = setting.size(2000, 20)
            pictures = list(pool.map(lambda each: setting.device.decode(each, frame), [data] * count))
            yield {"decoded": number * len(pictures), "watched": watch.facts()}
    yield {"decode_fallback_reason": setting.device.decode_fallback_reason()}


def _embedding(run: Path, folder: Path, setting: Setting, side: int, cluster: str) -> subprocess.Popen[bytes]:
    told = (str(run), str(folder), setting.device.name, str(side), cluster)
    command = [sys.executable, "-m", "gpu.embed_once", *told]
    return subprocess.Popen(command, start_new_session=True, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)


PARTS: dict[str, Part] = {
    "one worker": _one,
    "two workers": _two,
    "a worker killed": _killed,
    "resumed": _resumed,
    "memory": _memory,
    "decoder": _decoder_memory,
}
