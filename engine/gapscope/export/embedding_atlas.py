"""A Parquet file for Embedding Atlas (Ren et al. 2025)."""

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from gapscope.export.choice import ChosenImages
from gapscope.export.image_table import image_table
from gapscope.progress import Progress
from gapscope.report.tiles import Pictures

_SIDE = 128


def export_embedding_atlas(chosen: ChosenImages, folder: Path, progress: Progress) -> None:
    """Write images.parquet, with `image`, a picture of at most 128 x 128 pixels, and README.txt with the command."""
    table = image_table(chosen)
    pictures = Pictures(chosen.run, chosen.points.index, chosen.points.image, progress)
    files: list[dict[str, object] | None] = []
    with progress.task("pictures", len(chosen), "image") as task:
        for place in range(len(chosen)):
            picture = pictures.of(place, _SIDE)
            if picture is not None:
                file = io.BytesIO()
                picture.save(file, "JPEG", quality=80)
                files.append({"bytes": file.getvalue(), "path": None})
            else:
                files.append(None)
            task.advance(1, rejected=int(picture is None))
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    pq.write_table(table.append_column("image", pa.array(files, kind)), folder / "images.parquet")
    (folder / "README.txt").write_text(_read_me(chosen.run.levels), encoding="utf-8")


def _read_me(levels: tuple[str, ...]) -> str:
    level = levels[-1]
    return f"""Open the map of level {level} in Embedding Atlas; for {", ".join(levels)} there are such columns:

    embedding-atlas images.parquet --x {level}_x --y {level}_y --image image --disable-projection

It shows the map from above: x and y of its three dimensions.
"""
