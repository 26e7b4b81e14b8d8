"""fastdup: duplicates, outliers and clusters, with its own features, over both datasets together.

python fastdup_script.py FIRST SECOND OUT THREADS
"""

import json
import sys
from pathlib import Path

import fastdup
from backbone import Steps


def main() -> None:
    """Run fastdup on both folders together, and write answer.json."""
    first, out, threads = Path(sys.argv[1]), Path(sys.argv[3]), int(sys.argv[4])
    steps = Steps()
    work = fastdup.create(work_dir=str(out / "work"), input_dir=str(first.parent))
    work.run(num_threads=threads, overwrite=True, print_summary=False)
    steps.done("all")
    numbers = {"similar_pairs": len(work.similarity()), "outliers": len(work.outliers())}
    images = len(work.annotations())
    answer = {"images": images, "steps": steps.seconds, "numbers": numbers}
    answer["comes_out"] = "similar pairs, outliers by a percentile, clusters; no comparison of the two sets"
    (out / "answer.json").write_text(json.dumps(answer))


if __name__ == "__main__":
    main()
