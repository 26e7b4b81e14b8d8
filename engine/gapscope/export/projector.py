"""Files for TensorBoard's Embedding Projector (Smilkov et al. 2016)."""

import math
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gapscope.export.pictures import outlier_references, plotted_entries
from gapscope.progress import Progress
from gapscope.report.selection import PlottedPoints
from gapscope.report.tiles import Pictures
from gapscope.store.pyramid import open_embeddings
from gapscope.store.run_store import RunStore

MAX_POINTS = 10_000
"""The projector slows down past that, and its sprite may not be wider than 8,192 pixels."""

_SIDE = 64
_CONFIG = """embeddings {{
  tensor_name: "{level}"
  tensor_path: "{level}.tsv"
  metadata_path: "{level}.metadata.tsv"
  sprite {{
    image_path: "sprite.png"
    single_image_dim: {side}
    single_image_dim: {side}
  }}
}}
"""


def export_projector(run: RunStore, folder: Path, progress: Progress) -> None:
    """Write projector_config.pbtxt, a sprite, and per level the embeddings and their metadata as TSV.

    Show them with `tensorboard --logdir FOLDER`. At most 10,000 images: listed outliers, and a sample of the others.
    """
    drawn, entries = plotted_entries(run, MAX_POINTS)
    uris = [_text(entry.uri) for entry in entries]
    with progress.task("levels", len(run.levels), "level") as task:
        for level in run.levels:
            np.savetxt(folder / f"{level}.tsv", _embeddings(drawn, level), fmt="%.5g", delimiter="\t")
            _write_metadata(folder / f"{level}.metadata.tsv", drawn, level, uris)
            task.advance(1)
    _write_sprite(folder / "sprite.png", drawn, progress)
    config = "".join(_CONFIG.format(level=level, side=_SIDE) for level in run.levels)
    (folder / "projector_config.pbtxt").write_text(config, encoding="utf-8")


def _embeddings(drawn: PlottedPoints, level: str) -> NDArray[np.float32]:
    parts = []
    for number, name in enumerate(drawn.run.datasets):
        rows = drawn.row[drawn.dataset == number]
        order = np.argsort(rows, kind="stable")
        values = np.asarray(open_embeddings(drawn.run, name, level).oindex[rows[order]], np.float32)
        parts.append((drawn.dataset == number, values[np.argsort(order, kind="stable")]))
    found = np.empty((len(drawn.image), parts[0][1].shape[1]), np.float32)
    for here, values in parts:
        found[here] = values
    return found


def _write_metadata(path: Path, drawn: PlottedPoints, level: str, uris: list[str]) -> None:
    _, clusters = drawn.points(level)
    lines = ["uri\tdataset\toutlier against\tcluster"]
    for uri, dataset, against, cluster in zip(
        uris, drawn.dataset.tolist(), outlier_references(drawn, level), clusters.tolist(), strict=True
    ):
        lines.append(f"{uri}\t{drawn.run.datasets[dataset]}\t{against or 'none'}\t{cluster}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _text(uri: str) -> str:
    """Return a name without what would break the table or be read as a tag in somebody else's page."""
    return re.sub(r"[\x00-\x1f\x7f\x85\u2028\u2029<>]", " ", uri)


def _write_sprite(path: Path, drawn: PlottedPoints, progress: Progress) -> None:
    across = max(1, math.ceil(math.sqrt(len(drawn.image))))
    down = max(1, math.ceil(len(drawn.image) / across))
    sheet = Image.new("RGB", (across * _SIDE, down * _SIDE), (255, 255, 255))
    pictures = Pictures(drawn.run, drawn.index, drawn.image, progress)
    with progress.task("sprite", len(drawn.image), "image") as task:
        for at in range(len(drawn.image)):
            picture = pictures.of(at, _SIDE)
            if picture is not None:
                sheet.paste(picture, (at % across * _SIDE, at // across * _SIDE))
            task.advance(1, rejected=int(picture is None))
    sheet.save(path)
