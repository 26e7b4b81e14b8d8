"""Runs that are listed and embedded, without later stages, for the benchmarks that embed files."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from gpu.fast_embed import DRY_MODEL, MODEL
from gpu.stage import Setting
from networks import embed_settings, random_weights
from numpy.typing import NDArray
from runs import start_run

from gapscope.cluster import lazy_cluster
from gapscope.progress import Silent
from gapscope.pyramid import load_pyramid
from gapscope.settings import EmbedSettings
from gapscope.sources import open_source
from gapscope.stages.embed import embed_datasets
from gapscope.stages.listing import list_datasets
from gapscope.stages.precision import resolve_run_precision
from gapscope.store.pyramid import open_embeddings, pending_blocks
from gapscope.store.run_record import RunRecord
from gapscope.store.run_store import RunStore, open_store


class NoteCollector(Silent):
    """Progress that keeps its notes, which say what the workers spent their time on."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, message: str) -> None:
        """Keep the note."""
        self.notes.append(message)


def detector_settings(setting: Setting, size: int) -> EmbedSettings:
    """Return settings of the default detector with random weights, the same ones in every part."""
    model = setting.size(MODEL, DRY_MODEL)
    return embed_settings(model, random_weights(model, setting.folder("detector")), size)


def embed_files(
    run: Path, folder: Path, settings: EmbedSettings, setting: Setting, cluster: str
) -> tuple[float, NoteCollector, RunRecord]:
    """Embed a folder's files into a run, or the rest of them if the run exists.

    Returns:
        Seconds without the listing, the progress with its notes, and the run's record.
    """
    progress, source = NoteCollector(), {"files": open_source("files", str(folder))}
    store = start_run(run, list(source), settings)
    list_datasets(store, source, progress, update=False)
    chosen = resolve_run_precision(
        store.record, replace(settings, speedups=("auto",)), load_pyramid(settings), setting.device
    )
    store.write_record()
    progress.note(f"{chosen.precision}, {', '.join(chosen.speedups)}")
    with lazy_cluster(cluster, setting.device.name, store.record.datasets["files"].listed) as connect:
        start = time.perf_counter()
        embed_datasets(store, source, chosen, setting.device, connect, progress)
        return time.perf_counter() - start, progress, store.record


def embeddings_of(run: Path, levels: tuple[str, ...]) -> dict[str, NDArray[np.float16]]:
    """Return the embeddings (rows, channels) of a run, per level."""
    store = open_store(run)
    return {level: np.asarray(open_embeddings(store, "files", level)[...]) for level in levels}


def blocks_left(run: Path) -> int | None:
    """Return the number of unfinished blocks; None before the store exists."""
    # Without a record of its own: run.json may not exist yet, and the flags do not need it.
    store = RunStore(run, RunRecord.of_embeddings({}, {}, block_rows=0))
    try:
        return len(pending_blocks(store, "files"))
    # The arrays do not exist yet, or are being created at this moment.
    except (OSError, KeyError, ValueError):
        return None


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait until a condition holds, at most some seconds; return whether it holds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


def compare_embeddings(
    expected: Mapping[str, NDArray[np.float16]], actual: Mapping[str, NDArray[np.float16]]
) -> dict[str, Any]:
    """Return the share of rows with equal bytes, and the largest difference as a share of the largest value."""
    equal = [
        (values.view(np.uint16) == actual[level].view(np.uint16)).all(axis=1).mean()
        for level, values in expected.items()
    ]
    differences = [
        float(
            np.nanmax(np.abs(values.astype(np.float32) - actual[level])) / np.nanmax(np.abs(values.astype(np.float32)))
        )
        for level, values in expected.items()
    ]
    return {"rows_of_same_bytes": float(min(equal)), "largest_difference": max(differences)}
