"""The engine on one GPU: a worker of dask-cuda's, two workers that share it, one that is killed, a run that goes on."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from distributed import Client, LocalCluster
from gpu.embedding import blocks_left, bundled_settings, embed_files, embeddings_of, same, when
from gpu.pictures import SMALL, jpegs, named
from gpu.stage import Part, Setting

from gapscope.bench.watch import Watch

_DISTINCT, _SIDE = 300, 224


def _images(setting: Setting, name: str, count: int) -> Path:
    distinct = jpegs(setting, setting.size(_DISTINCT, 16), setting.size(SMALL, (96, 72)))
    return named(setting.folder(name) / "images", distinct, count)


def _against_inline(setting: Setting, name: str, cluster: str, kill: Client | None = None) -> dict[str, Any]:
    """Embed the same files in this process and on a cluster, where a worker may be killed on the way."""
    images = setting.size(20_000, 70)
    folder = _images(setting, name, images)
    settings = bundled_settings(setting.size(_SIDE, 64))
    alone, run = (folder.parent / each for each in ("alone", "run"))
    embed_files(alone, folder, settings, setting, "inline")
    found: dict[str, Any] = {"images": images}
    if kill is not None:
        threading.Thread(target=_kill_one, args=(kill, run, found), daemon=True).start()
    with Watch() as watch:
        seconds, told, record = embed_files(run, folder, settings, setting, cluster)
    found |= {"seconds": seconds, "images_per_second": images / seconds, "watched": watch.facts(), "told": told.notes}
    found |= same(embeddings_of(alone, settings.levels), embeddings_of(run, settings.levels))
    return {**found, "read": record.datasets["files"]["read"], "rejected": record.datasets["files"]["rejected"]}


def _kill_one(client: Client, run: Path, found: dict[str, Any]) -> None:
    whole: list[int] = []

    def begun() -> bool:
        left = blocks_left(run)
        whole.append(left or 0)
        return left is not None and left < max(whole)

    if when(begun, 300):
        worker = next(iter(client.run(os.getpid).values()))
        found["killed_with_blocks_left"] = blocks_left(run)
        os.kill(worker, signal.SIGKILL)


def _one(setting: Setting) -> dict[str, Any]:
    """One worker, started as `--cluster cuda` starts it, with memory shared by RMM, torch and CuPy."""
    return _against_inline(setting, "one", "cuda" if setting.device.name == "cuda" else "local")


def _two(setting: Setting) -> dict[str, Any]:
    """Two workers on the one GPU."""
    with _sharing(setting) as client:
        return _against_inline(setting, "two", client.scheduler_info()["address"])


def _killed(setting: Setting) -> dict[str, Any]:
    """Two workers, of which one is killed once a block is done."""
    with _sharing(setting) as client:
        return _against_inline(setting, "killed", client.scheduler_info()["address"], kill=client)


@contextmanager
def _sharing(setting: Setting) -> Iterator[Client]:
    # dask-cuda has one worker per GPU at most; two on one are started by Dask itself.
    with (
        LocalCluster(n_workers=2, threads_per_worker=2, memory_limit=None, dashboard_address=None) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        if setting.device.name == "cuda":
            from dask_cuda.plugins import RMMSetup

            # As in gapscope.device.cuda.local_cuda_cluster, but a fifth of the card to begin with, for each of two.
            client.register_plugin(RMMSetup(0.2, None, False, False, None, None, False, ["torch", "cupy"]))
        yield client


def _resumed(setting: Setting) -> dict[str, Any]:
    """A process that embeds is killed on the way; the same command goes on with what is left."""
    images = setting.size(20_000, 70)
    folder = _images(setting, "resumed", images)
    settings = bundled_settings(setting.size(_SIDE, 64))
    alone, run = (folder.parent / each for each in ("alone", "run"))
    embed_files(alone, folder, settings, setting, "inline")
    told_of = (str(run), str(folder), setting.device.name, str(settings.frame.size))
    command = [sys.executable, "-m", "gpu.embed_once", *told_of]
    process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL)
    seen: list[int] = []

    def begun() -> bool:
        left = blocks_left(run)
        seen.append(left or 0)
        return process.poll() is not None or (left is not None and left < max(seen))

    when(begun, 300)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    left = blocks_left(run)
    seconds, told, _ = embed_files(run, folder, settings, setting, "inline")
    return {
        "images": images,
        "blocks": max(seen),
        "blocks_left_when_killed": left,
        "seconds_for_the_rest": seconds,
        "told": told.notes,
        **same(embeddings_of(alone, settings.levels), embeddings_of(run, settings.levels)),
    }


def _memory(setting: Setting) -> dict[str, Any]:
    """200,000 files, which are the few distinct ones under many names: does memory stay flat?"""
    images = setting.size(200_000, 90)
    folder = _images(setting, "memory", images)
    settings = bundled_settings(setting.size(_SIDE, 64))
    cluster = "cuda" if setting.device.name == "cuda" else "inline"
    with Watch() as watch:
        seconds, told, _ = embed_files(folder.parent / "run", folder, settings, setting, cluster)
    found = {"images": images, "distinct": setting.size(_DISTINCT, 16), "seconds": seconds}
    return {**found, "images_per_second": images / seconds, "watched": watch.facts(), "told": told.notes}


PARTS: dict[str, Part] = {
    "one worker": _one,
    "two workers": _two,
    "a worker killed": _killed,
    "resumed": _resumed,
    "memory": _memory,
}
DRY = ("memory",)
