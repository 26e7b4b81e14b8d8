"""How fast, in how much memory and how well embeddings become maps here: each case and repeat a process of its own."""

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

_FEWEST = 1000


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
    """Draw maps of embeddings in every way that this machine has, and write reduce.json and reduce.html.

    Args:
        out: folder to write to.
        rows: numbers of embeddings.
        dims: of made-up embeddings.
        points: a .npy file of (n, dims) embeddings to take in place of made-up ones.
        backends: some of `BACKENDS`; all by default.
        repeats: how often each case is measured.
        timeout: seconds that a case may take.
        progress: what shows long work.

    Returns:
        What reduce.json holds: the machine, the settings, and per case a list of each measure, an entry per repeat.

    Raises:
        OptionError: there is no such backend, a number is too small, or `points` cannot be read or has too few rows.
    """
    names = list(BACKENDS) if backends is None else list(backends)
    _check(names, rows, dims, repeats)
    shown = progress or Silent()
    given = None if points is None else _read(points, max(rows))
    out.mkdir(parents=True, exist_ok=True)
    kind = "made up" if given is None else str(points)
    settings = {"embeddings": kind, "dims": dims if given is None else given.shape[1], "timeout_seconds": timeout}
    result: dict[str, Any] = {"machine": machine(), "settings": settings, "cases": []}
    with (
        tempfile.TemporaryDirectory(prefix="gapscope-") as folder,
        shown.task("measuring", len(rows) * len(names) * repeats, "map") as task,
    ):
        file = Path(folder) / "points.npy"
        for count in rows:
            np.save(file, made_points(count, dims, seed=0) if given is None else given[:count])
            for name in names:
                case: dict[str, Any] = {"case": name, "rows": count}
                result["cases"].append(case | _measured(name, file, repeats, timeout))
                task.advance(repeats)
                # What is measured is kept, whatever becomes of the next.
                (out / "reduce.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    write_page(out / "reduce.html", result)
    return result


def _check(names: Sequence[str], rows: Sequence[int], dims: int, repeats: int) -> None:
    unknown = [name for name in names if name not in BACKENDS]
    if unknown:
        raise OptionError(f"choose from {'; '.join(BACKENDS)}", argument="backends", value=unknown[0])
    for argument, value, low in (("rows", min(rows), _FEWEST), ("dims", dims, 3), ("repeats", repeats, 1)):
        if value < low:
            raise OptionError(f"must be {low:,} or more", argument=argument, value=value)


def _read(points: Path, rows: int) -> np.ndarray[Any, Any]:
    try:
        found: np.ndarray[Any, Any] = np.load(points, mmap_mode="r")
    except (OSError, ValueError) as error:
        raise OptionError(f"this is no .npy file of numbers ({error})", argument="points", value=points) from error
    if found.ndim != 2 or len(found) < rows or found.dtype.kind != "f":
        raise OptionError(
            f"it holds {found.dtype} {found.shape}; wanted are {rows:,} rows of floats", argument="points", value=points
        )
    return found


def _measured(name: str, file: Path, repeats: int, timeout: float) -> dict[str, Any]:
    lacks = BACKENDS[name].lacks()
    if lacks:
        return {"not_run": lacks}
    found: dict[str, list[Any]] = {}
    for _ in range(repeats):
        good, said = in_child("-m", "gapscope.bench.case", name, str(file), timeout=timeout)
        if not good:
            return {"failed": said, **found}
        for measure, value in json.loads(said.splitlines()[-1]).items():
            found.setdefault(measure, []).append(value)
    return found
