"""What to render more of: whether the demo's cut parameter is named at its right end, and no other parameter.

The simulator of the demo draws its parameters alike for all kinds of picture, and ends one of them, the exposure, too
soon. Each seed makes other photographs and renderings, and compares them. Takes half a minute per seed. Fails if in
fewer than nine of ten seeds the high end of the exposure is wanted more and nothing else is.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness import argument_parser, write_result

import gapscope
from gapscope.demo import make_demo_data

COLUMNS = {
    "named": "columns of the renderings of which the photographs want other values",
    "end": "end of the exposure that is wanted more; null if it is not named",
    "p": "p of the exposure, corrected for all parameters, levels and readings",
    "sentence": "what the page says of it",
    "causes": "columns of the renderings that the gap from renderings to photographs goes with",
}
_ENOUGH = 0.9


def main() -> None:
    """Measure, print, and write the JSON after every seed."""
    parser = argument_parser(__doc__)
    parser.add_argument("--seeds", type=int, default=60, help="how many (default: 60)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows: dict[str, Any] = {}
    if options.out.exists():
        rows = json.loads(options.out.read_text())["seeds"]
    for seed in range(options.seeds):
        if str(seed) not in rows:
            with tempfile.TemporaryDirectory(prefix="gapscope-") as folder:
                rows[str(seed)] = _measure(Path(folder), seed)
            print(seed, rows[str(seed)], flush=True)
        good = [row for row in rows.values() if row["named"] == ["exposure"] and row["end"] == "high"]
        write_result(options.out, {"columns": COLUMNS, "right": len(good), "of": len(rows), "seeds": rows})
    if len(good) < _ENOUGH * len(rows):
        raise SystemExit(f"only in {len(good)} of {len(rows)} seeds the high end of the exposure is named alone")


def _measure(folder: Path, seed: int) -> dict[str, Any]:
    data = make_demo_data(folder / "images", seed)
    run = gapscope.compare(
        {"real": data.photographs, "synthetic": data.parameters},
        out=folder / "run",
        model="bundled",
        cluster="inline",
        n_epochs=11,
        heat_maps="off",
        thumbnails="off",
    )
    rows = run.metrics["wanted"]["real-vs-synthetic"]
    exposure = next(row for row in rows if row["column"] == data.cut)
    return {
        "named": [row["column"] for row in rows if row["named"]],
        "end": exposure["end"],
        "p": exposure["p"],
        "sentence": exposure["sentence"],
        "causes": [row["column"] for row in run.metrics["causes"]["synthetic-vs-real"] if row["named"]],
    }


if __name__ == "__main__":
    main()
