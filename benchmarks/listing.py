"""How long does a list of a million images take, and how much memory?

Makes a CSV file with a column of paths, one of text and one of numbers, and every file that it names (empty, a thousand
to a folder). Then, in a process of its own each, a tenth of the list and all of it are taken through what a run does:
opening the source, the stage that lists it into the index, and the stage again as a run that goes on does it. Memory is
the most that the process held beyond what it held before.

Takes about three minutes, a million inodes and 4 GB of a temporary folder, which `--folder` names.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from gapscope.bench.machine import machine
from gapscope.bench.subprocess_case import peak_gib
from gapscope.progress import Silent
from gapscope.sources import open_source
from gapscope.stages.listing import check_not_empty, list_datasets
from gapscope.store.index import read_index
from gapscope.store.run_record import RunRecord

_IN_A_FOLDER = 1000
_CITIES = ("Aachen", "Bonn", "Köln", "Ulm")


def main() -> None:
    """Measure, print a table, and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="the JSON file to write")
    parser.add_argument("--images", type=int, default=1_000_000, help="in the list (default: 1000000)")
    parser.add_argument("--folder", type=Path, help="where files are made (default: the system's)")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measured(options.measure)))
        return
    if not options.out:
        parser.error("the following arguments are required: --out")
    found = []
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for path in lists(Path(folder), options.images):
            command = [sys.executable, __file__, "--measure", str(path)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found.append(json.loads(done.stdout))
            print("  ".join(f"{name} {value:,.1f}" for name, value in found[-1].items()))
    options.out.write_text(json.dumps({"machine": machine(), "lists": found}, indent=2) + "\n", encoding="utf-8")


def lists(folder: Path, images: int) -> list[Path]:
    """Make the files, and a list of a tenth of them and of all."""
    paths = [folder / "tenth.csv", folder / "all.csv"]
    tenth, whole = (path.open("w", encoding="utf-8") for path in paths)
    with tenth, whole:
        for file in (tenth, whole):
            file.write("path,city,speed\n")
        for number in range(images):
            name = f"{number // _IN_A_FOLDER:05d}/{number % _IN_A_FOLDER:03d}.jpg"
            if not number % _IN_A_FOLDER:
                (folder / name).parent.mkdir()
            os.close(os.open(folder / name, os.O_CREAT | os.O_WRONLY))
            for file in (tenth, whole) if number < images // 10 else (whole,):
                file.write(f"{name},{_CITIES[number % len(_CITIES)]},{number % 130}.5\n")
    return paths


def measured(path: Path) -> dict[str, Any]:
    """List what `path` names; the index must hold it all."""
    with tempfile.TemporaryDirectory() as folder:
        before = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()
        start, working = time.perf_counter(), time.process_time()
        source = open_source("listed", str(path))
        check_not_empty("listed", source)
        opened = time.perf_counter()
        run, record = Path(folder), RunRecord(config={}, model={}, versions={})
        list_datasets(run, record, {"listed": source}, Silent(), update=False)
        listed, worked = time.perf_counter(), time.process_time()
        list_datasets(run, record, {"listed": source}, Silent(), update=False)
        checked = time.perf_counter()
        most = peak_gib() * 2**30
        with path.open(encoding="utf-8") as file:
            images = sum(1 for _ in file) - 1
        last = read_index(run, "listed", ["uri", "meta.city", "meta.speed", "status"]).slice(images - 1).to_pylist()
        number = images - 1
        name = path.parent / f"{number // _IN_A_FOLDER:05d}" / f"{number % _IN_A_FOLDER:03d}.jpg"
        city, speed = _CITIES[number % len(_CITIES)], number % 130 + 0.5
        expected = {"uri": str(name), "meta.city": city, "meta.speed": speed, "status": "listed"}
        if last != [expected]:
            raise SystemExit(f"the index ends with {last}, which should be {expected}")
    return {
        "images": images,
        "open_seconds": opened - start,
        "list_seconds": listed - opened,
        "open_and_list_processor_seconds": worked - working,
        "check_again_seconds": checked - listed,
        "memory_mib": (most - before) / 2**20,
    }


if __name__ == "__main__":
    main()
