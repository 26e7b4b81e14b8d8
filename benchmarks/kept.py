"""Does a process that embeds time and again grow, and by what: memory that is in use, or memory that glibc keeps?

glibc gives threads heaps of their own, up to eight per core, and each keeps what its threads once had. The same is done
with as many heaps as it likes and with two (MALLOC_ARENA_MAX). Each time some photographs are embedded in the process
itself, as `gapscope.compare` does for few images, from threads that end with it. `resident` is what the process holds
of the machine's memory, `in_use` what has been asked of glibc and not been given back, both in MB; slopes are per time,
with a 95% interval, and leave out the first quarter. Linux with glibc 2.33 or newer. On 2 cores it takes 4 minutes.
"""

import argparse
import ctypes
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from soak import embed, growth, resident_mb, write_images

from gapscope.bench.machine import machine

HEAPS = {"as many heaps as glibc likes": {}, "two heaps": {"MALLOC_ARENA_MAX": "2"}}


class MallInfo2(ctypes.Structure):
    """What mallinfo2(3) returns."""

    _names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
    _fields_ = tuple((name, ctypes.c_size_t) for name in _names.split())


def main() -> None:
    """Measure, print, and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="the JSON file to write")
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--times", type=int, default=40)
    parser.add_argument("--keep", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.keep:
        print(json.dumps(kept(options.keep, options.times)))
        return
    if not options.out:
        parser.error("the following arguments are required: --out")
    cases = {}
    with tempfile.TemporaryDirectory(prefix="kept-") as folder:
        write_images(Path(folder) / "images", None, options.images, seed=0)
        for name, environment in HEAPS.items():
            command = [sys.executable, __file__, "--keep", folder, "--times", str(options.times)]
            said = subprocess.run(command, env=os.environ | environment, stdout=subprocess.PIPE, check=True).stdout
            found = json.loads(said)
            cases[name] = {f"{what}_growth": growth(values) for what, values in found.items()} | found
            print(name, {what: value for what, value in cases[name].items() if what not in found}, flush=True)
    result = {"machine": machine(), "images": options.images, "times": options.times, "cases": cases}
    options.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def kept(folder: Path, times: int) -> dict[str, list[float]]:
    """Embed the images of a folder so many times, and return how much memory that left, after each."""
    glibc: Any = ctypes.CDLL(None)
    glibc.mallinfo2.restype = MallInfo2
    found: dict[str, list[float]] = {"resident": [], "in_use": []}
    for _ in range(times):
        embed(folder / "run", folder / "images", "inline")
        shutil.rmtree(folder / "run")
        info = glibc.mallinfo2()
        found["resident"].append(round(resident_mb(), 1))
        found["in_use"].append(round((info.uordblks + info.hblkhd) / 1e6, 2))
    return found


if __name__ == "__main__":
    main()
