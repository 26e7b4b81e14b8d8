"""Runs that are embedded and no further, for the benchmarks that embed files."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from embed import random_weights, settings_of
from gpu.fast_embed import DRY_MODEL, MODEL
from gpu.stage import Setting
from numpy.typing import NDArray

import gapscope
from gapscope.cluster import lazy_cluster
from gapscope.progress import Silent
from gapscope.pyramid import MODELS, load_pyramid
from gapscope.settings import EmbedSettings
from gapscope.sources import open_source
from gapscope.stages.embed import embed_datasets
from gapscope.stages.listing import list_datasets
from gapscope.stages.precision import resolve_run_precision
from gapscope.store.pyramid import open_embeddings, pending_blocks
from gapscope.store.run_record import RunRecord, open_or_create


class Told(Silent):
    """Keeps the notes, which say where the workers' time went."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, message: str) -> None:
        """Keep the line."""
        self.notes.append(message)


def bundled_settings(size: int) -> EmbedSettings:
    """Return the bundled network's, at a size."""
    return settings_of("bundled", MODELS["bundled"].weights(), size)


def detector_settings(setting: Setting, size: int) -> EmbedSettings:
    """Return those of the default detector with random weights, which are the same in every part."""
    model = setting.size(MODEL, DRY_MODEL)
    return settings_of(model, random_weights(model, setting.folder("detector")), size)


def embed_files(
    run: Path, folder: Path, settings: EmbedSettings, setting: Setting, cluster: str
) -> tuple[float, Told, RunRecord]:
    """Embed a folder's files into a run, or what is not embedded of them yet; return seconds without the listing."""
    told, source = Told(), {"files": open_source("files", str(folder))}
    record = open_or_create(run, RunRecord(config={}, model={}, versions={"gapscope": gapscope.__version__}))
    list_datasets(run, record, source, told, update=False)
    chosen = resolve_run_precision(
        record, replace(settings, speedups=("auto",)), load_pyramid(settings), setting.device
    )
    record.write(run)
    told.note(f"{chosen.precision}, {', '.join(chosen.speedups)}")
    with lazy_cluster(cluster, setting.device.name, record.datasets["files"]["listed"]) as connect:
        start = time.perf_counter()
        embed_datasets(run, record, source, chosen, setting.device, connect, told)
        return time.perf_counter() - start, told, record


def embeddings_of(run: Path, levels: tuple[str, ...]) -> dict[str, NDArray[np.float16]]:
    """Return (rows, channels) per level."""
    return {level: np.asarray(open_embeddings(run, "files", level)[...]) for level in levels}


def blocks_left(run: Path) -> int | None:
    """Return how many blocks are not done; None before there are any."""
    try:
        return len(pending_blocks(run, "files"))
    # It is being made at this moment.
    except (OSError, KeyError, ValueError):
        return None


def when(true: Callable[[], bool], seconds: float) -> bool:
    """Wait until something holds; tell whether it did in that time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.02)
    return False


def same(one: Mapping[str, NDArray[np.float16]], other: Mapping[str, NDArray[np.float16]]) -> dict[str, Any]:
    """Return the share of rows that are the same to the last bit, and the largest difference over the largest value."""
    equal = [(a.view(np.uint16) == other[level].view(np.uint16)).all(axis=1).mean() for level, a in one.items()]
    apart = [
        float(np.nanmax(np.abs(a.astype(np.float32) - other[level])) / np.nanmax(np.abs(a.astype(np.float32))))
        for level, a in one.items()
    ]
    return {"rows_of_same_bytes": float(min(equal)), "largest_difference": max(apart)}
