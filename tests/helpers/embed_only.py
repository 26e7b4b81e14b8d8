"""Runs only the first stages, listing and embedding: `python embed_only.py RUN CLUSTER NAME=SOURCE...`."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gapscope.cluster import lazy_cluster
from gapscope.device import choose_device
from gapscope.progress import Progress, Silent
from gapscope.pyramid.models import find_model
from gapscope.pyramid.weights import sha256_of
from gapscope.settings import EmbedSettings, Preprocess
from gapscope.sources import open_source
from gapscope.stages.embed import embed_datasets
from gapscope.stages.listing import list_datasets
from gapscope.store.index import read_index
from gapscope.store.location import resolve_location
from gapscope.store.pyramid import open_embeddings, pending_blocks
from gapscope.store.run_record import EmbedConfig, LevelRecord, ModelRecord, RunConfig, RunRecord, open_or_create
from gapscope.store.run_store import RunStore, open_store

NAMES, LEVELS = ("real", "synthetic"), ("P3", "P5")
Arrays = dict[str, NDArray[Any]]


def list_and_embed(
    run: str | Path, datasets: dict[str, str], cluster: str, progress: Progress | None = None, **options: Any
) -> None:
    """List and embed datasets at 64 pixels with the bundled network, which needs no download."""
    progress, model = progress or Silent(), find_model("bundled")
    weights = model.weights()
    settings = EmbedSettings(
        model="bundled",
        weights=str(weights),
        weights_sha256=sha256_of(weights),
        levels=LEVELS,
        preprocess=Preprocess(size=64),
    )
    sources = {name: open_source(name, location) for name, location in datasets.items()}
    record = RunRecord(
        config=RunConfig(datasets=datasets, embed=EmbedConfig.of(settings)),
        model=ModelRecord(
            name="bundled",
            weights=settings.weights,
            weights_sha256=settings.weights_sha256,
            levels=tuple(LevelRecord(**asdict(level)) for level in model.levels if level.name in LEVELS),
            mean=model.mean,
            std=model.std,
        ),
        versions={},
    )
    folder = resolve_location(run)
    store = RunStore(folder, open_or_create(folder, record))
    list_datasets(store, sources, progress, update=False)
    images = store.record.listed
    with lazy_cluster(cluster, "cpu", images, progress) as connect:
        embed_datasets(store, sources, settings, choose_device("cpu"), connect, progress, **options)


def read_run_arrays(run: str | Path) -> Arrays:
    """Return the embeddings, bit by bit, and the index columns of a run whose embedding is finished."""
    store, arrays = open_store(resolve_location(run)), Arrays()
    for name, dataset in store.record.datasets.items():
        assert pending_blocks(store, name) == []
        assert (dataset.read or 0) + (dataset.rejected or 0) == dataset.listed
        for level in LEVELS:
            arrays[f"{name}/{level}"] = np.asarray(open_embeddings(store, name, level)[...]).view(np.uint16)
        index = read_index(store, name).to_pandas()
        arrays[f"{name}/names"] = index["uri"].str.rsplit("/", n=1).str[-1].to_numpy()
        for column in ("row", "format", "width", "height", "mean_red", "status", "error"):
            missing = -1 if index[column].dtype.kind in "if" else ""
            arrays[f"{name}/{column}"] = index[column].fillna(missing).to_numpy()
    return arrays


if __name__ == "__main__":
    import typer

    from gapscope_cli.errors import leave_at_once, reported_errors
    from gapscope_cli.progress import shown_progress

    torch.set_num_threads(1)
    try:
        with reported_errors(), shown_progress() as progress:
            list_and_embed(sys.argv[1], dict(dataset.split("=", 1) for dataset in sys.argv[3:]), sys.argv[2], progress)
    except typer.Exit as error:
        leave_at_once(error.exit_code)
        sys.exit(error.exit_code)
