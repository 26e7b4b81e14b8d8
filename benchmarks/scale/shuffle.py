"""Moving embeddings to their parts: gapscope's sorted files against the P2P shuffle of Dask.

Both move the same records, a million by default with three copies each, from chunks to parts, on two workers, and each
part's records are read once. Random parts are the worst case for both.

    python benchmarks/scale/shuffle.py --out shuffle.json
"""

import os
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import dask.dataframe as dd
import numpy as np
import pandas as pd
import pyarrow as pa
from distributed import Client
from numpy.typing import NDArray

from gapscope.bench.watch import ProcessWatch
from gapscope.cluster import lazy_cluster, run_jobs
from gapscope.store.shuffle import Segment, read_segments, segment_starts, write_segments

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness import argument_parser, write_result

_CHANNELS = 64
_COPIES = 3
_PARTS = 24
_CHUNK_ROWS = 65_536
_RECORD = np.dtype(
    [("row", np.int64), ("roles", np.uint64), ("identity", np.int64, 2), ("embedding", np.float16, _CHANNELS)]
)


def records_of(chunk: int) -> tuple[NDArray[np.void], NDArray[np.int64]]:
    """Return a chunk's records, each as often as it is copied, and the part that each goes to."""
    random = np.random.default_rng(chunk)
    records = np.zeros(_CHUNK_ROWS * _COPIES, _RECORD)
    records["row"] = chunk * _CHUNK_ROWS + np.arange(len(records)) // _COPIES
    records["embedding"] = random.standard_normal((len(records), _CHANNELS), dtype=np.float32)
    return records, random.integers(0, _PARTS, len(records))


def by_files(client: Client, chunks: int, folder: Path) -> int:
    """Return the number of records that all parts have together, moved as gapscope moves them."""
    paths = list(run_jobs(client, partial(_sort, folder), range(chunks)))
    starts = [segment_starts(path).tolist() for path in paths]
    parts = [
        [Segment(path, *own[part : part + 2]) for path, own in zip(paths, starts, strict=True)]
        for part in range(_PARTS)
    ]
    return sum(run_jobs(client, _read, parts))


def _sort(folder: Path, chunk: int) -> Path:
    records, part = records_of(chunk)
    order = np.argsort(part, kind="stable")
    path = folder / f"{chunk:06d}"
    write_segments(path, [records[order]], np.searchsorted(part[order], np.arange(_PARTS + 1)))
    return path


def _read(segments: list[Segment]) -> int:
    return sum(map(len, read_segments(segments, _RECORD)))


def by_p2p(client: Client, chunks: int, _folder: Path) -> int:
    """Return the number of records that all parts have together, moved by the P2P shuffle of Dask."""
    meta = _frame(0).iloc[:0]
    frame = dd.from_map(_frame, range(chunks), meta=meta)
    moved = frame.shuffle("part", npartitions=_PARTS, shuffle_method="p2p")
    return int(client.compute(moved.map_partitions(len)).result().sum())


def _frame(chunk: int) -> pd.DataFrame:
    records, part = records_of(chunk)
    # Dask's shuffle knows no values of a fixed number of bytes.
    offsets = (np.arange(len(records) + 1) * _RECORD.itemsize).astype(np.int32)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(records.tobytes())]
    column = pa.Array.from_buffers(pa.binary(), len(records), buffers)
    return pd.DataFrame({"part": part, "record": pd.Series(column, dtype=pd.ArrowDtype(pa.binary()))})


def main() -> None:
    """Measure, and write the result."""
    parser = argument_parser(__doc__, repeats=3)
    parser.add_argument("--rows", type=int, default=1_048_576, help="images")
    options = parser.parse_args()
    chunks = -(-options.rows // _CHUNK_ROWS)
    cases: list[dict[str, Any]] = []
    for name, move in (("files", by_files), ("p2p", by_p2p)) * options.repeats:
        with (
            tempfile.TemporaryDirectory(dir=options.out.parent) as folder,
            lazy_cluster("local", "cpu", options.rows) as connect,
        ):
            client = connect()
            start = time.perf_counter()
            with ProcessWatch(os.getpid(), start) as watch:
                moved = move(client, chunks, Path(folder))
                seconds = time.perf_counter() - start
        if moved != chunks * _CHUNK_ROWS * _COPIES:
            raise RuntimeError(f"{name} lost records: {moved:,}")
        case = next((each for each in cases if each["case"] == name), None)
        if case is None:
            cases.append(case := {"case": name, "rows": chunks * _CHUNK_ROWS, "seconds": []})
        case["seconds"].append(seconds)
        for key, gib in watch.peaks(0.0, seconds).items():
            case.setdefault(key, []).append(gib)
        write_result(options.out, {"cases": cases})


if __name__ == "__main__":
    main()
