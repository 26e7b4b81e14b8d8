"""Generates the demo's datasets without a download: photographs, and renderings that lack some of their kinds."""

import csv
import io
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from gapscope.demo.kinds import KINDS, Kind
from gapscope.demo.photographs import Picture, open_photograph, take_photograph
from gapscope.demo.scenes import EXPOSURES, ground_out_of_focus, rearranged
from gapscope.store.atomic import write_text

_PHOTOGRAPHED_EXPOSURE = 0.35
"""Largest change of a photograph's exposure to either side, in stops."""

_README = """\
Made by `gapscope demo`.

photographs/  crops of the photographs in scikit-image's wheel, a folder per kind
rendered/     renderings by a small simulator, whose materials are taken from the same photographs
rendered.csv  the same renderings, with what the simulator was set to

Gaps planted for the comparison to find:
- photographed, but never rendered: {real}
- rendered, but never photographed: {rendered}
- rendered out of focus, which shows most at the fine levels: {soft}
- rendered too rarely: {rare}
- rendered with its parts in other places, which shows most at the coarse levels: {rearranged}
- rendered too dark: the exposure of renderings ends at {exposure:+} stops, that of photographs at {photographed:+}
"""


@dataclass(frozen=True)
class DemoData:
    """The demo's two datasets, and the gaps planted in them.

    Attributes:
        photographs: folder that holds a folder of JPEG files per kind.
        rendered: the same for the renderings.
        parameters: list of the renderings, with what the simulator was set to for each.
        planted_real: kinds that are only photographed: the simulator cannot render them.
        planted_rendered: kinds that are only rendered.
        soft: kinds that are rendered out of focus, a gap that shows most at the fine levels.
        rare: kinds that are rendered too rarely.
        rearranged: kinds that are rendered with their parts in other places, a gap that shows most at the coarse
            levels.
        cut: the parameter whose range ends too soon.
    """

    photographs: Path
    rendered: Path
    parameters: Path
    planted_real: tuple[str, ...]
    planted_rendered: tuple[str, ...]
    soft: tuple[str, ...]
    rare: tuple[str, ...]
    rearranged: tuple[str, ...]
    cut: str = "exposure"


def make_demo_data(folder: Path, seed: int = 0) -> DemoData:
    """Write the demo's photographs and renderings, about 350 of each, and a README.txt that lists the planted gaps.

    The simulator takes its materials from the same photographs as the crops, as if its library had been scanned at the
    same location. Lighting, camera and arrangement of the renderings are random.

    Args:
        folder: created if it does not exist. If it already holds the complete data, nothing is written.
        seed: the same seed gives the same images.

    Returns:
        The folders, and the planted gaps.

    Raises:
        UserError: scikit-image, whose photographs the demo uses, is not installed.
    """
    data = DemoData(
        photographs=folder / "photographs",
        rendered=folder / "rendered",
        parameters=folder / "rendered.csv",
        planted_real=tuple(kind.name for kind in KINDS if not kind.rendered),
        planted_rendered=tuple(kind.name for kind in KINDS if not kind.photographs),
        soft=tuple(kind.name for kind in KINDS if kind.scene is ground_out_of_focus),
        rare=tuple(kind.name for kind in KINDS if 0 < kind.rendered < kind.photographs / 2),
        rearranged=tuple(kind.name for kind in KINDS if kind.scene is rearranged),
    )
    readme = folder / "README.txt"
    if readme.exists() and data.parameters.exists():
        return data
    rows: list[dict[str, str | float]] = []
    for kind in KINDS:
        _write_photographs(kind, data.photographs / kind.name, seed)
        rows += _write_rendered(kind, data.rendered / kind.name, seed)
    _write_parameters(data.parameters, rows)
    # Written last: its presence means that the data is complete.
    write_text(
        readme,
        _README.format(
            real=_join(data.planted_real),
            rendered=_join(data.planted_rendered),
            soft=_join(data.soft),
            rare=_join(data.rare),
            rearranged=_join(data.rearranged),
            exposure=EXPOSURES[1],
            photographed=_PHOTOGRAPHED_EXPOSURE,
        ),
    )
    return data


def _join(kinds: tuple[str, ...]) -> str:
    return ", ".join(kinds)


def _write_photographs(kind: Kind, folder: Path, seed: int) -> None:
    if not kind.photographs:
        return
    source = open_photograph(kind.source)
    for number in range(kind.photographs):
        random = _random(seed, f"photographs/{kind.name}", number)
        picture = take_photograph(source, kind.sides, turns=kind.turns, exposure=_PHOTOGRAPHED_EXPOSURE, random=random)
        _write(picture, folder / f"{number:03d}.jpg")


def _write_rendered(kind: Kind, folder: Path, seed: int) -> list[dict[str, str | float]]:
    """Write a kind's renderings, and return a row for each: its path, and what the simulator was set to."""
    if kind.scene is None:
        return []
    render_scene = kind.scene(open_photograph(kind.source), kind.sides)
    rows: list[dict[str, str | float]] = []
    for number in range(kind.rendered):
        picture, camera, lamp = render_scene(_random(seed, f"rendered/{kind.name}", number))
        path = folder / f"{number:03d}.jpg"
        _write(picture, path)
        settings = {
            "sun_azimuth": lamp[0],
            "sun_elevation": lamp[1],
            "exposure": camera.exposure,
            "tilt": camera.tilt,
            "heading": camera.heading,
            "footprint": camera.footprint,
        }
        rows.append(
            {
                "path": path.relative_to(folder.parent.parent).as_posix(),
                **{name: round(value, 4) for name, value in settings.items()},
            }
        )
    return rows


def _write_parameters(path: Path, rows: list[dict[str, str | float]]) -> None:
    text = io.StringIO()
    table = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    write_text(path, text.getvalue())


def _random(seed: int, name: str, number: int) -> np.random.Generator:
    """Return the generator of one image. Each image has its own, so that changing a kind does not change the others."""
    return np.random.default_rng((seed, zlib.crc32(name.encode()), number))


def _write(picture: Picture, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.rint(picture * 255).astype(np.uint8)).save(path, quality=92)
