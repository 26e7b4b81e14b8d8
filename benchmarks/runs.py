"""Runs of benchmarks that call stages one by one, without the pipeline."""

from collections.abc import Sequence
from pathlib import Path

from gapscope.pyramid.network import embedding_lengths
from gapscope.settings import EmbedSettings
from gapscope.store.run_record import RunRecord, open_or_create
from gapscope.store.run_store import RunStore


def start_run(path: Path, datasets: Sequence[str], settings: EmbedSettings | None = None) -> RunStore:
    """Create a run whose datasets are not listed yet, or open it if it exists.

    Args:
        path: folder of the run.
        datasets: names of the datasets.
        settings: how images will be embedded; None for a run that is only listed.
    """
    lengths = embedding_lengths(settings) if settings else {}
    record = RunRecord.of_embeddings(dict.fromkeys(datasets, 0), lengths, block_rows=0)
    # The listing fills it in.
    record.datasets.clear()
    return RunStore(path, open_or_create(path, record))
