"""Measures time, memory and quality of maps on this machine; each repeat of each case runs in its own process.

A case is also measured once cold, as the first map of a process is: with what it imports and compiles.
"""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gapscope.bench.backends import BACKENDS
from gapscope.bench.machine import machine
from gapscope.bench.page import write_page
from gapscope.bench.points import made_points
from gapscope.bench.subprocess_case import in_child
from gapscope.errors import OptionError
from gapscope.progress import Progress, Silent

_MIN_ROWS = 1000


def reduce(
    out: Path,
    *,
    rows: Sequence[int] = (10_000,),
    dims: int = 256,
    points: Path | None = None,
    backends: Sequence[str] | None = None,
    repeats: int = 3,
    timeout: float = 3600,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Measure maps of embeddings with every backend that runs here, and write reduce.json and reduce.html.

    Args:
        out: folder to write to.
        rows: numbers of embeddings to measure, 1,000 or more each.
        dims: dimensions of the made-up embeddings, 3 or more.
        points: .npy file of (n, dims) floats; its first rows are used instead of made-up embeddings.
        backends: keys of `BACKENDS`; all by default.
        repeats: how often each case is measured, beside the once that it is measured cold.
        timeout: seconds after which a repeat is stopped and its case counts as failed.
        progress: receives progress and notes.

    Returns:
        The content of reduce.json: the machine, the settings, and per case one list per measure, with one value per
        repeat.

    Raises:
        OptionError: a backend is unknown, a number is too small, or `points` cannot be read or has too few rows.
    """
    names = list(BACKENDS) if backends is None else list(backends)
    _check(names, rows, dims, repeats)
    progress = progress or Silent()
    embeddings = None if points is None else _read(points, max(rows))
    out.mkdir(parents=True, exist_ok=True)
    settings = {
        "embeddings": "made up" if embeddings is None else str(points),
        "dims": dims if embeddings is None else embeddings.shape[1],
        "timeout_seconds": timeout,
    }
    result: dict[str, Any] = {"machine": machine(), "settings": settings, "cases": []}
    with (
        tempfile.TemporaryDirectory(prefix="gapscope-") as folder,
        progress.task("measuring", len(rows) * len(names) * repeats, "map") as task,
    ):
        file = Path(folder) / "points.npy"
        for count in rows:
            np.save(file, made_points(count, dims, seed=0) if embeddings is None else embeddings[:count])
            for name in names:
                case: dict[str, Any] = {"case": name, "rows": count}
                result["cases"].append(case | _measure(name, file, repeats, timeout))
                task.advance(repeats)
                # Written after every case, so that a crash or an interrupt loses only the current one.
                (out / "reduce.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    write_page(out / "reduce.html", result)
    return result


def _check(names: Sequence[str], rows: Sequence[int], dims: int, repeats: int) -> None:
    unknown = [name for name in names if name not in BACKENDS]
    if unknown:
        raise OptionError(f"choose from {'; '.join(BACKENDS)}", argument="backends", value=unknown[0])
    for argument, value, low in (("rows", min(rows), _MIN_ROWS), ("dims", dims, 3), ("repeats", repeats, 1)):
        if value < low:
            raise OptionError(f"must be {low:,} or more", argument=argument, value=value)


def _read(points: Path, rows: int) -> np.ndarray[Any, Any]:
    try:
        embeddings: np.ndarray[Any, Any] = np.load(points, mmap_mode="r")
    except (OSError, ValueError) as error:
        raise OptionError(f"this is no .npy file of numbers ({error})", argument="points", value=points) from error
    if embeddings.ndim != 2 or len(embeddings) < rows or embeddings.dtype.kind != "f":
        raise OptionError(
            f"it holds {embeddings.dtype} {embeddings.shape}; needed are {rows:,} rows of floats",
            argument="points",
            value=points,
        )
    return embeddings


def _measure(name: str, file: Path, repeats: int, timeout: float) -> dict[str, Any]:
    missing = BACKENDS[name].lacks()
    if missing:
        return {"not_run": missing}
    measures: dict[str, list[Any]] = {}
    for cold in (["cold"], *[[]] * repeats):
        succeeded, output = in_child("-m", "gapscope.bench.case", name, str(file), *cold, timeout=timeout)
        if not succeeded:
            return {"failed": output, **measures}
        for measure, value in json.loads(output.splitlines()[-1]).items():
            measures.setdefault(measure, []).append(value)
    return measures
