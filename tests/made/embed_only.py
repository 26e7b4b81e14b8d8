"""The first stages of a run alone, listing and embedding: `python embed_only.py RUN CLUSTER NAME=SOURCE...`."""

import sys
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
from gapscope.store.run_record import RunRecord, open_or_create, read_run_record

NAMES, LEVELS = ("real", "synthetic"), ("P3", "P5")
Arrays = dict[str, NDArray[Any]]


def embed(
    run: str | Path, datasets: dict[str, str], cluster: str, progress: Progress | None = None, **options: Any
) -> None:
    """List and embed at 64 pixels, with the network that is always there."""
    shown, file = progress or Silent(), find_model("bundled").weights()
    settings = EmbedSettings(
        model="bundled",
        weights=str(file),
        weights_sha256=sha256_of(file),
        levels=LEVELS,
        preprocess=Preprocess(size=64),
    )
    sources = {name: open_source(name, location) for name, location in datasets.items()}
    where = resolve_location(run)
    record = open_or_create(where, RunRecord(config={"datasets": datasets}, model={}, versions={}))
    list_datasets(where, record, sources, shown, update=False)
    images = sum(facts["listed"] for facts in record.datasets.values())
    with lazy_cluster(cluster, "cpu", images, shown) as connect:
        embed_datasets(where, record, sources, settings, choose_device("cpu"), connect, shown, **options)


def arrays_of(run: str | Path) -> Arrays:
    """Everything about the rows of a finished run."""
    where, found = resolve_location(run), Arrays()
    for name, facts in read_run_record(where).datasets.items():
        assert pending_blocks(where, name) == []
        assert facts["read"] + facts["rejected"] == facts["listed"]
        for level in LEVELS:
            found[f"{name}/{level}"] = np.asarray(open_embeddings(where, name, level)[...]).view(np.uint16)
        index = read_index(where, name).to_pandas()
        found[f"{name}/names"] = index["uri"].str.rsplit("/", n=1).str[-1].to_numpy()
        for column in ("row", "format", "width", "height", "mean_red", "status", "error"):
            found[f"{name}/{column}"] = index[column].fillna(-1 if index[column].dtype.kind in "if" else "").to_numpy()
    return found


if __name__ == "__main__":
    import typer

    from gapscope_cli.errors import leave_at_once, reported_errors
    from gapscope_cli.progress import shown_progress

    torch.set_num_threads(1)
    try:
        with reported_errors(), shown_progress() as progress:
            embed(sys.argv[1], dict(each.split("=", 1) for each in sys.argv[3:]), sys.argv[2], progress)
    except typer.Exit as ended:
        leave_at_once(ended.exit_code)
        sys.exit(ended.exit_code)
