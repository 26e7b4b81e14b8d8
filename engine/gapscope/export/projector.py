"""Exports files for TensorBoard's Embedding Projector (Smilkov et al. 2016)."""

import math
import re
from pathlib import Path

import numpy as np
from PIL import Image

from gapscope.export.choice import ChosenImages
from gapscope.progress import Progress
from gapscope.report.points import read_point_embeddings
from gapscope.report.selection import PlottedPoints
from gapscope.report.tiles import Pictures

MAX_POINTS = 10_000
"""With more points the projector becomes slow, and its sprite may not be wider than 8,192 pixels."""

_THUMBNAIL_SIDE = 64
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


def export_projector(chosen: ChosenImages, folder: Path, progress: Progress) -> None:
    """Write projector_config.pbtxt, a sprite of thumbnails, and each level's embeddings and metadata as TSV.

    View them with `tensorboard --logdir FOLDER`.
    """
    run, plotted = chosen.run, chosen.points
    uris = [_sanitize(entry.uri) for entry in chosen.entries]
    with progress.task("levels", len(run.levels), "level") as task:
        for level in run.levels:
            embeddings = read_point_embeddings(run, level, plotted.index, plotted.image)
            np.savetxt(folder / f"{level}.tsv", embeddings, fmt="%.5g", delimiter="\t")
            _write_metadata(folder / f"{level}.metadata.tsv", chosen, level, uris)
            task.advance(1)
    _write_sprite(folder / "sprite.png", plotted, progress)
    config = "".join(_CONFIG.format(level=level, side=_THUMBNAIL_SIDE) for level in run.levels)
    (folder / "projector_config.pbtxt").write_text(config, encoding="utf-8")


def _write_metadata(path: Path, chosen: ChosenImages, level: str, uris: list[str]) -> None:
    _, clusters = chosen.points.points(level)
    lines = ["uri\tdataset\toutlier against\tcluster"]
    for uri, dataset, against, cluster in zip(
        uris, chosen.dataset, chosen.outlier_references(level), clusters.tolist(), strict=True
    ):
        lines.append(f"{uri}\t{dataset}\t{against or 'none'}\t{cluster}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _sanitize(uri: str) -> str:
    """Replace characters that would break the TSV, or that the projector's page could read as markup."""
    return re.sub(r"[\x00-\x1f\x7f\x85\u2028\u2029<>]", " ", uri)


def _write_sprite(path: Path, plotted: PlottedPoints, progress: Progress) -> None:
    side = _THUMBNAIL_SIDE
    n_columns = max(1, math.ceil(math.sqrt(len(plotted.image))))
    n_rows = max(1, math.ceil(len(plotted.image) / n_columns))
    sprite = Image.new("RGB", (n_columns * side, n_rows * side), (255, 255, 255))
    pictures = Pictures(plotted.run, plotted.index, plotted.image, progress)
    with progress.task("sprite", len(plotted.image), "image") as task:
        for index in range(len(plotted.image)):
            picture = pictures.of(index, side)
            if picture is not None:
                sprite.paste(picture, (index % n_columns * side, index // n_columns * side))
            task.advance(1, rejected=int(picture is None))
    sprite.save(path)
