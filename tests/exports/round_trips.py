"""Whether the tools that exports are for read them: each tool in an environment of its own.

Makes a run of annotated images, exports a list of it in every form, and lets a script per tool, which runs in that
tool's environment, read the export and compare it with what was exported. Environments take 11 GB and a few minutes
when they are made first.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))

from annotated_forms import as_coco
from annotated_shapes import draw_set
from quick_compare import quick_compare

from gapscope.export import ImageChoice, export_run


class Reader(NamedTuple):
    """A tool that reads an export.

    Attributes:
        script: beside this file.
        to: the form of the export.
        package: what pip installs.
    """

    script: str
    to: str
    package: str


READERS = (
    Reader("coco_pycocotools.py", "coco", "pycocotools==2.0.11"),
    Reader("coco_supervision.py", "coco", "supervision==0.31.2"),
    Reader("coco_datumaro.py", "coco", "datumaro==1.13.12"),
    Reader("yolo_supervision.py", "yolo", "supervision==0.31.2"),
    Reader("cvat_datumaro.py", "cvat", "datumaro==1.13.12"),
    Reader("label_studio_converter.py", "label-studio", "label-studio-sdk==2.1.2"),
    Reader("fiftyone_dataset.py", "fiftyone", "fiftyone==1.22.1"),
    Reader("spotlight_viewer.py", "spotlight", "renumics-spotlight==1.8.2"),
    Reader("embedding_atlas_source.py", "embedding-atlas", "embedding-atlas==0.26.0"),
)


def main() -> None:
    """Export, and let every tool read."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--envs", type=Path, default=Path(".venv-exports"), help="folder of the environments")
    parser.add_argument("--only", nargs="*", default=[], help="scripts, such as coco_pycocotools.py (default: all)")
    options = parser.parse_args()
    failed = []
    with tempfile.TemporaryDirectory(prefix="gapscope-") as temporary:
        folder = Path(temporary)
        write_exports(folder)
        for reader in READERS:
            if not options.only or reader.script in options.only:
                print(f"{reader.script} ({reader.package})", flush=True)
                python = make_environment(options.envs, reader.package)
                if subprocess.run(
                    [python, Path(__file__).with_name(reader.script), folder / reader.to], check=False
                ).returncode:
                    failed.append(reader.script)
    if failed:
        raise SystemExit(f"not read as written: {', '.join(failed)}")


def write_exports(folder: Path) -> None:
    """Export a list in every form, and write what it holds."""
    drawn = {"real": draw_set(24, 0, "noise"), "synthetic": draw_set(24, 1, "stripes")}
    data = {name: as_coco(images, folder / name) for name, images in drawn.items()}
    run = quick_compare(data, folder / "run", levels=["P5"], heat_maps="off", group="none")
    for to in {reader.to for reader in READERS}:
        export_run(run, to, folder / to, images=ImageChoice(list="P5.real-vs-synthetic", pick=12))
    samples = json.loads((folder / "fiftyone" / "samples.json").read_text(encoding="utf-8"))["samples"]
    boxes = {
        str(folder / name / "images" / image.name): [(each.category, *(each.edges or ())) for each in image.objects]
        for name, images in drawn.items()
        for image in images
    }
    expected = {sample["uri"]: boxes[sample["uri"]] for sample in samples}
    (folder / "expected.json").write_text(json.dumps(expected), encoding="utf-8")


def make_environment(envs: Path, package: str) -> Path:
    """Return the Python of an environment that holds a package, made on first use."""
    folder = envs / package
    python = folder / "bin" / "python"
    if not (folder / ".ready").exists():
        venv.create(folder, clear=True, with_pip=True)
        command = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--quiet", package]
        subprocess.run(command, check=True)
        (folder / ".ready").touch()
    return python


if __name__ == "__main__":
    main()
