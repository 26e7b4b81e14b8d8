"""The engine on one GPU: one dask-cuda worker, two workers on one GPU, a killed worker, and a resumed run."""

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
from gpu.embedding import blocks_left, compare_embeddings, embed_files, embeddings_of, wait_until
from gpu.pictures import SMALL, hard_links, jpegs
from gpu.stage import Part, Result, Setting
from networks import bundled_settings

from gapscope.bench.watch import Watch
from gapscope.settings import Preprocess

_DISTINCT, _SIDE = 300, 224


def _images(setting: Setting, name: str, count: int) -> Path:
    distinct = jpegs(setting, setting.size(_DISTINCT, 16), setting.size(SMALL, (96, 72)))
    return hard_links(setting.folder(name) / "images", distinct, count)


def _compare_with_inline(setting: Setting, name: str, cluster: str, kill: Client | None = None) -> Iterator[Result]:
    """Embed the same files in this process and on a cluster, whose worker may be killed meanwhile."""
    images = setting.size(20_000, 70)
    folder = _images(setting, name, images)
    settings = bundled_settings(setting.size(_SIDE, 64))
    inline_run, run = (folder.parent / name for name in ("alone", "run"))
    seconds, _, _ = embed_files(inline_run, folder, settings, setting, "inline")
    yield {"images": images, "inline_seconds": seconds}
    result: Result = {}
    if kill is not None:
        threading.Thread(target=_kill_worker, args=(kill, run, result), daemon=True).start()
    with Watch() as watch:
        seconds, progress, record = embed_files(run, folder, settings, setting, cluster)
    yield {**result, "seconds": seconds, "images_per_second": images / seconds}
    yield {"watched": watch.facts(), "told": progress.notes}
    yield compare_embeddings(embeddings_of(inline_run, settings.levels), embeddings_of(run, settings.levels))
    yield {"read": record.datasets["files"].read, "rejected": record.datasets["files"].rejected}


def _kill_worker(client: Client, run: Path, result: Result) -> None:
    seen: list[int] = []

    def first_block_done() -> bool:
        left = blocks_left(run)
        seen.append(left or 0)
        return left is not None and left < max(seen)

    if wait_until(first_block_done, 300):
        worker = next(iter(client.run(os.getpid).values()))
        result["killed_with_blocks_left"] = blocks_left(run)
        os.kill(worker, signal.SIGKILL)


def _one_worker(setting: Setting) -> Iterator[Result]:
    """Embed with one worker, started like `--cluster cuda`, whose memory RMM, torch and CuPy share."""
    yield from _compare_with_inline(setting, "one", "cuda" if setting.on_gpu else "local")


def _two_workers(setting: Setting) -> Iterator[Result]:
    """Embed with two workers on one GPU."""
    with _two_worker_cluster(setting) as client:
        yield from _compare_with_inline(setting, "two", client.scheduler_info()["address"])


def _killed_worker(setting: Setting) -> Iterator[Result]:
    """Embed with two workers, one of which is killed once a block is done."""
    with _two_worker_cluster(setting) as client:
        yield from _compare_with_inline(setting, "killed", client.scheduler_info()["address"], kill=client)


@contextmanager
def _two_worker_cluster(setting: Setting) -> Iterator[Client]:
    # dask-cuda starts at most one worker per GPU, so Dask itself starts two on one.
    with (
        LocalCluster(n_workers=2, threads_per_worker=2, memory_limit=None, dashboard_address=None) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        if setting.on_gpu:
            from dask_cuda.plugins import RMMSetup

            # As in gapscope.device.cuda.local_cuda_cluster, but each worker starts with a fifth of the card.
            client.register_plugin(RMMSetup(0.2, None, False, False, None, None, False, ["torch", "cupy"]))
        yield client


def _resumed(setting: Setting) -> Iterator[Result]:
    """Kill a process that embeds, and let the same command embed the rest."""
    images = setting.size(20_000, 70)
    folder = _images(setting, "resumed", images)
    settings = bundled_settings(setting.size(_SIDE, 64))
    inline_run, run = (folder.parent / name for name in ("alone", "run"))
    embed_files(inline_run, folder, settings, setting, "inline")
    process = _start_embedding(run, folder, setting, settings.preprocess.size, "inline")
    seen: list[int] = []

    def first_block_done() -> bool:
        left = blocks_left(run)
        seen.append(left or 0)
        return process.poll() is not None or (left is not None and left < max(seen))

    wait_until(first_block_done, 300)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    yield {"images": images, "blocks": max(seen), "blocks_left_when_killed": blocks_left(run)}
    seconds, progress, _ = embed_files(run, folder, settings, setting, "inline")
    yield {"seconds_for_the_rest": seconds, "told": progress.notes}
    yield compare_embeddings(embeddings_of(inline_run, settings.levels), embeddings_of(run, settings.levels))


def _memory(setting: Setting) -> Iterator[Result]:
    """Watch memory over 200,000 files, which are a few distinct ones under many names."""
    images = setting.size(200_000, 90)
    folder = _images(setting, "memory", images)
    yield {"images": images, "distinct": setting.size(_DISTINCT, 16)}
    run, side, start = folder.parent / "run", setting.size(_SIDE, 64), time.monotonic()
    cluster = "cuda" if setting.on_gpu else "inline"
    process = _start_embedding(run, folder, setting, side, cluster)
    with Watch(of=process.pid) as watch:
        while process.poll() is None:
            time.sleep(setting.size(10, 0.5))
            seconds = time.monotonic() - start
            yield {"seconds": seconds, "blocks_left": blocks_left(run), "watched": watch.facts()}
    yield {"exit_code": process.returncode, "images_per_second": images / (time.monotonic() - start)}


def _decoder_memory(setting: Setting) -> Iterator[Result]:
    """Decode one file again and again, and watch whether the decoder keeps memory (pytorch/vision#4378)."""
    (path, *_), frame = jpegs(setting, setting.size(_DISTINCT, 16), setting.size(SMALL, (96, 72))), Preprocess(size=224)
    data, rounds = path.read_bytes(), setting.size(10, 2)
    with Watch() as watch, ThreadPoolExecutor(16) as pool:
        for number in range(1, rounds + 1):
            count = setting.size(2000, 20)
            images = list(pool.map(lambda encoded: setting.device.decode(encoded, frame), [data] * count))
            yield {"decoded": number * len(images), "watched": watch.facts()}
    yield {"decode_fallback_reason": setting.device.decode_fallback_reason()}


def _start_embedding(run: Path, folder: Path, setting: Setting, side: int, cluster: str) -> subprocess.Popen[bytes]:
    arguments = (str(run), str(folder), setting.device.name, str(side), cluster)
    command = [sys.executable, "-m", "gpu.embed_once", *arguments]
    return subprocess.Popen(command, start_new_session=True, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)


PARTS: dict[str, Part] = {
    "one worker": _one_worker,
    "two workers": _two_workers,
    "a worker killed": _killed_worker,
    "resumed": _resumed,
    "memory": _memory,
    "decoder": _decoder_memory,
}
