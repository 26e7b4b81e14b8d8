"""Measures how the whole job grows with the number of images, from embeddings that are made up, without images."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gapscope.bench.machine import machine
from gapscope.bench.mixture import fit_mixture
from gapscope.bench.points import made_points
from gapscope.bench.scale_page import write_scale_page
from gapscope.bench.subprocess_case import in_child
from gapscope.errors import OptionError
from gapscope.progress import Progress, Silent

_MIN_ROWS = 1000
_FITTED_ROWS = 5000


def scale(
    out: Path,
    *,
    rows: Sequence[int] = (10_000, 100_000),
    dims: int = 64,
    points: Path | None = None,
    device: str = "auto",
    cluster: str = "local",
    landmarks: int = 50_000,
    timeout: float = 36_000,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Compare two datasets of made-up embeddings at every size of a ladder, and write scale.json and scale.html.

    The embeddings are of a mixture of normal distributions that is fitted to real ones; the second dataset lacks a
    component. Each size is a whole job, from listing to the page, in a process of its own.

    Args:
        out: folder to write to.
        rows: numbers of images of both datasets together, 1,000 or more each.
        dims: of the embeddings, 3 or more.
        points: .npy file of (n, channels) real embeddings, with as many channels as `dims` or more; made-up ones
            otherwise.
        device: as `gapscope.compare` takes it.
        cluster: likewise.
        landmarks: likewise; few, so that the time of UMAP itself, which no size changes, does not hide the others.
        timeout: seconds after which a size is stopped.
        progress: receives progress and notes.

    Returns:
        The content of scale.json: the machine, the settings, `rows`, per stage the `exponent` of its time in the number
        of rows, from a straight line through the logarithms of both, and the `cases`.

    Raises:
        OptionError: a number is too small, or `points` cannot be read or has too few channels.
    """
    for argument, value, low in (("rows", min(rows), _MIN_ROWS), ("dims", dims, 3)):
        if value < low:
            raise OptionError(f"must be {low:,} or more", argument=argument, value=value)
    progress = progress or Silent()
    mixture = fit_mixture(_points(points, dims), dims)
    out.mkdir(parents=True, exist_ok=True)
    result: dict[str, Any] = {
        "machine": machine(),
        "settings": {
            "embeddings": "made up" if points is None else f"a mixture fitted to {points.name}",
            "dims": dims,
            "device": device,
            "cluster": cluster,
            "landmarks": landmarks,
        },
        "rows": [],
        "exponent": {},
        "cases": [],
    }
    with progress.task("measuring", len(rows), "size") as task:
        for count in sorted(rows):
            # Beside the results, where there is room for what a job needs.
            with tempfile.TemporaryDirectory(prefix="scale-", dir=out) as folder:
                files = {name: str(Path(folder) / f"{name}.npy") for name in ("real", "synthetic")}
                mixture.write(Path(files["real"]), count // 2, seed=1)
                mixture.without_some(seed=5).write(Path(files["synthetic"]), count - count // 2, seed=2)
                options = files | {
                    "out": str(Path(folder) / "run"),
                    "device": device,
                    "cluster": cluster,
                    "landmarks": landmarks,
                }
                succeeded, output = in_child("-m", "gapscope.bench.scale_case", json.dumps(options), timeout=timeout)
            case: dict[str, Any] = json.loads(output.splitlines()[-1]) if succeeded else {"failed": output}
            result["cases"].append({"rows": count, **case})
            result["rows"], result["exponent"] = _exponents(result["cases"])
            (out / "scale.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
            write_scale_page(out / "scale.html", result)
            task.advance(1)
    return result


def _points(points: Path | None, dims: int) -> NDArray[Any]:
    if points is None:
        return made_points(_FITTED_ROWS, dims, seed=0)
    try:
        embeddings: NDArray[Any] = np.load(points)
    except (OSError, ValueError) as error:
        raise OptionError(f"this is no .npy file of numbers ({error})", argument="points", value=points) from error
    if embeddings.ndim != 2 or embeddings.shape[1] < dims or embeddings.dtype.kind != "f":
        raise OptionError(
            f"it holds {embeddings.dtype} {embeddings.shape}; needed are floats with {dims} channels or more",
            argument="points",
            value=points,
        )
    return embeddings


def _exponents(cases: Sequence[Mapping[str, Any]]) -> tuple[list[int], dict[str, float]]:
    """Return the sizes that were measured, and per stage the slope of log seconds over log rows."""
    measured = [case for case in cases if "failed" not in case]
    rows = [case["rows"] for case in measured]
    if len(rows) < 2:
        return rows, {}
    seconds = {stage: [case["stages"].get(stage, {}).get("seconds") for case in measured] for stage in _stages(cases)}
    seconds["all"] = [case["seconds"] for case in measured]
    return rows, {
        stage: round(float(np.polyfit(np.log(rows), np.log(values), 1)[0]), 3)
        for stage, values in seconds.items()
        if all(values)
    }


def _stages(cases: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(stage for case in cases for stage in case.get("stages", {})))
