"""How long a run takes to read a list of a million images, and how much memory that needs.

The benchmark writes a CSV file with a column of paths, one of text and one of numbers, and every file that it names
(empty, a thousand per folder). Then it takes a tenth of the list, and all of it, through what a run does, each in a
process of its own: it opens the source, lists it into the index, and repeats the listing as a resumed run does. Memory
is the process's peak above what it held before.

Takes about three minutes, a million inodes and 4 GB of a temporary folder, which `--folder` names.
"""

import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from gapscope.bench.subprocess_case import peak_gib
from gapscope.progress import Silent
from gapscope.sources import open_source
from gapscope.stages.listing import check_not_empty, list_datasets
from gapscope.store.index import read_index

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness import argument_parser, case_arguments, run_case, write_result
from runs import start_run

_FILES_PER_FOLDER = 1000
_MAX_SECONDS = 86_400
_CITIES = ("Aachen", "Bonn", "Köln", "Ulm")


def main() -> None:
    """Measure, print a table, and write the JSON."""
    if (case := case_arguments()) is not None:
        print(json.dumps(measure_listing(Path(case[0]))))
        return
    parser = argument_parser(__doc__)
    parser.add_argument("--images", type=int, default=1_000_000, help="images in the list (default: 1000000)")
    parser.add_argument("--folder", type=Path, help="folder for the files (default: the system's temporary one)")
    options = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for path in write_lists(Path(folder), options.images):
            result = run_case(__file__, str(path), timeout=_MAX_SECONDS)
            if "failed" in result:
                raise SystemExit(result["failed"])
            results.append(result)
            print("  ".join(f"{name} {value:,.1f}" for name, value in result.items()))
    write_result(options.out, {"lists": results})


def write_lists(folder: Path, images: int) -> list[Path]:
    """Write the files, a list of a tenth of them and a list of all; return the two lists."""
    paths = [folder / "tenth.csv", folder / "all.csv"]
    tenth, full = (path.open("w", encoding="utf-8") for path in paths)
    with tenth, full:
        for file in (tenth, full):
            file.write("path,city,speed\n")
        for number in range(images):
            name = f"{number // _FILES_PER_FOLDER:05d}/{number % _FILES_PER_FOLDER:03d}.jpg"
            if not number % _FILES_PER_FOLDER:
                (folder / name).parent.mkdir()
            os.close(os.open(folder / name, os.O_CREAT | os.O_WRONLY))
            for file in (tenth, full) if number < images // 10 else (full,):
                file.write(f"{name},{_CITIES[number % len(_CITIES)]},{number % 130}.5\n")
    return paths


def measure_listing(path: Path) -> dict[str, Any]:
    """List the images that the file `path` names, and measure it.

    Raises:
        SystemExit: the index does not end with the last image.
    """
    with tempfile.TemporaryDirectory() as folder:
        resident_before = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()
        start, cpu_start = time.perf_counter(), time.process_time()
        source = open_source("listed", str(path))
        check_not_empty("listed", source)
        opened = time.perf_counter()
        run = start_run(Path(folder), ["listed"])
        list_datasets(run, {"listed": source}, Silent(), update=False)
        listed, cpu_end = time.perf_counter(), time.process_time()
        list_datasets(run, {"listed": source}, Silent(), update=False)
        listed_again = time.perf_counter()
        peak = peak_gib() * 2**30
        with path.open(encoding="utf-8") as file:
            images = sum(1 for _ in file) - 1
        last_rows = (
            read_index(run, "listed", ["uri", "meta.city", "meta.speed", "status"]).slice(images - 1).to_pylist()
        )
        number = images - 1
        uri = path.parent / f"{number // _FILES_PER_FOLDER:05d}" / f"{number % _FILES_PER_FOLDER:03d}.jpg"
        city, speed = _CITIES[number % len(_CITIES)], number % 130 + 0.5
        expected = {"uri": str(uri), "meta.city": city, "meta.speed": speed, "status": "listed"}
        if last_rows != [expected]:
            raise SystemExit(f"the index ends with {last_rows}, expected {expected}")
    return {
        "images": images,
        "open_seconds": opened - start,
        "list_seconds": listed - opened,
        "open_and_list_processor_seconds": cpu_end - cpu_start,
        "check_again_seconds": listed_again - listed,
        "memory_mib": (peak - resident_before) / 2**20,
    }


if __name__ == "__main__":
    main()
