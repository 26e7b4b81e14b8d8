"""cleanvision: duplicates, odd sizes, blur and brightness; it has no network, and does not compare two datasets.

python cleanvision_script.py FIRST SECOND OUT THREADS
"""

import json
import sys
from pathlib import Path

from backbone import Steps
from cleanvision import Imagelab


def main() -> None:
    """Find issues in both folders together, and write answer.json."""
    files = [str(file) for folder in sys.argv[1:3] for file in sorted(Path(folder).iterdir())]
    steps = Steps()
    lab = Imagelab(filepaths=files, verbose=False)
    lab.find_issues(n_jobs=int(sys.argv[4]), verbose=False)
    steps.done("all")
    numbers = dict(zip(lab.issue_summary["issue_type"], map(int, lab.issue_summary["num_images"]), strict=True))
    answer = {"images": len(files), "steps": steps.seconds, "numbers": numbers}
    answer["comes_out"] = "duplicates, and images that are blurred, dark, light, gray, or of an odd size or shape"
    (Path(sys.argv[3]) / "answer.json").write_text(json.dumps(answer))


if __name__ == "__main__":
    main()
