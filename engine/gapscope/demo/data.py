"""Data for a demonstration that needs no download: photographs, and renderings that miss some of them on purpose."""

import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from gapscope.demo.kinds import KINDS, Kind
from gapscope.demo.photographs import Picture, open_photograph, take_photograph
from gapscope.demo.scenes import ground_out_of_focus
from gapscope.store.atomic import write_text

_NOTE = """\
Made by `gapscope demo`.

photographs/  crops of photographs that scikit-image's wheel carries, a folder per kind
rendered/     what a small simulator draws, with materials scanned from the same photographs

Planted, to be found by the comparison:
- photographed, but never rendered: {real}
- rendered, but never photographed: {rendered}
- rendered out of focus, which shows most at the fine levels: {soft}
"""


@dataclass(frozen=True)
class DemoData:
    """Where the demo's two datasets lie, and the truths planted in them.

    Attributes:
        photographs: folder with a folder of JPEG files per kind.
        rendered: the same for the renderings.
        planted_real: kinds of photograph that the simulator cannot draw.
        planted_rendered: kinds of rendering that nobody photographed.
        soft: kinds that are rendered out of focus, a gap that shows most at the fine levels.
    """

    photographs: Path
    rendered: Path
    planted_real: tuple[str, ...]
    planted_rendered: tuple[str, ...]
    soft: tuple[str, ...]


def make_demo_data(folder: Path, seed: int = 0) -> DemoData:
    """Write the demo's photographs and renderings, about 300 of each, and a README.txt that says what is planted.

    The simulator's materials are scanned from the same photographs that the crops are taken from, as if its library had
    been made on the same spot. What it draws with them is lit, seen and arranged anew.

    Args:
        folder: is made if need be. Where it holds the whole data already, nothing is written.
        seed: the same seed makes the same pictures.

    Returns:
        Where they are and what is planted.

    Raises:
        UserError: scikit-image, whose photographs these are, is not installed.
    """
    data = DemoData(
        photographs=folder / "photographs",
        rendered=folder / "rendered",
        planted_real=tuple(kind.name for kind in KINDS if not kind.rendered),
        planted_rendered=tuple(kind.name for kind in KINDS if not kind.photographs),
        soft=tuple(kind.name for kind in KINDS if kind.scene is ground_out_of_focus),
    )
    note = folder / "README.txt"
    if note.exists():
        return data
    for kind in KINDS:
        _write_photographs(kind, data.photographs / kind.name, seed)
        _write_rendered(kind, data.rendered / kind.name, seed)
    # Last, so that where it is, everything is.
    write_text(
        note,
        _NOTE.format(real=_listed(data.planted_real), rendered=_listed(data.planted_rendered), soft=_listed(data.soft)),
    )
    return data


def _listed(kinds: tuple[str, ...]) -> str:
    return ", ".join(kinds)


def _write_photographs(kind: Kind, folder: Path, seed: int) -> None:
    if not kind.photographs:
        return
    source = open_photograph(kind.source)
    for number in range(kind.photographs):
        random = _random(seed, f"photographs/{kind.name}", number)
        picture = take_photograph(source, kind.sides, turns=kind.turns, exposure=0.35, random=random)
        _write(picture, folder / f"{number:03d}.jpg")


def _write_rendered(kind: Kind, folder: Path, seed: int) -> None:
    if kind.scene is None:
        return
    draw = kind.scene(open_photograph(kind.source), kind.sides)
    for number in range(kind.rendered):
        picture = draw(_random(seed, f"rendered/{kind.name}", number))
        _write(picture, folder / f"{number:03d}.jpg")


def _random(seed: int, name: str, number: int) -> np.random.Generator:
    """Each picture has numbers of its own, so that a change to one kind leaves the others as they were."""
    return np.random.default_rng((seed, zlib.crc32(name.encode()), number))


def _write(picture: Picture, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.rint(picture * 255).astype(np.uint8)).save(path, quality=92)
