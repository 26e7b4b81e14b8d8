"""Writes the sample run of a format, once per format: `python make_format_sample.py tests/data/run-format-N.zip`.

The sample is a run without its report and log, of a few images in /images, which is created for it and removed. Later
releases test that the sample either opens or is refused with an error that says what to do.
"""

import json
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

from quick_compare import OPTIONS, write_images

import gapscope

IMAGES = Path("/images")


def make_format_sample(archive: Path) -> None:
    """Compare a few images, and zip the run."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        try:
            gapscope.compare(write_images(IMAGES), out=run, **OPTIONS)
        finally:
            shutil.rmtree(IMAGES)
        shutil.rmtree(run / "report")
        (run / "log.txt").unlink()
        record = json.loads((run / "run.json").read_text())
        record["model"]["weights"] = f"/weights/{Path(record['model']['weights']).name}"
        (run / "run.json").write_text(json.dumps(record, indent=2) + "\n")
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
            for path in sorted(run.rglob("*")):
                if path.is_file():
                    zipped.write(path, path.relative_to(run))


if __name__ == "__main__":
    make_format_sample(Path(sys.argv[1]))
