"""Makes the sample of a format: `python sample_run.py tests/data/run-format-3.zip`, once, with the release that has it.

It holds a run without its report and log, of a few images in /images, which is made for it and removed. Tests read it
for ever after: either it opens, or it is refused with the way out.
"""

import json
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

from whole_run import OPTIONS, write_images

import gapscope

IMAGES = Path("/images")


def make(archive: Path) -> None:
    """Compare a few images, and pack the run."""
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
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
            for path in sorted(run.rglob("*")):
                if path.is_file():
                    packed.write(path, path.relative_to(run))


if __name__ == "__main__":
    make(Path(sys.argv[1]))
