"""What became of every image: its size, format, colors and sharpness, or why it was rejected.

Workers write a table per block beside the index; when all blocks are done, the tables are merged into it.
"""

from collections.abc import Sequence
from typing import TypedDict, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gapscope.store.atomic import replacing
from gapscope.store.index import GROUP_ROWS, IMAGE_STATS, index_path
from gapscope.store.location import Location, readable, remove_tree
from gapscope.store.run_store import RunStore
from gapscope.store.tables import open_table, read_whole, table_writer, write_whole


class ImageStats(TypedDict, total=False):
    """One row's columns of `gapscope.store.index.IMAGE_STATS`; a rejected image has `status` and `error` alone.

    `mean_*` and `std_*` are of the pixels that the network saw, in 0..255. `damage` is what the decoder of a damaged
    JPEG warned of, where such are kept.
    """

    encoded_bytes: int
    format: str
    width: int
    height: int
    jpeg_quality: int | None
    mean_red: float
    mean_green: float
    mean_blue: float
    std_red: float
    std_green: float
    std_blue: float
    sharpness: float
    damage: str | None
    status: str
    error: str


def image_stats_path(run: Location, dataset: str, block: int) -> Location:
    """Return the path of a block's table, which is there until all blocks are done."""
    return run / "index" / f"{dataset}.blocks" / f"{block:08d}.parquet"


def write_image_stats(run: RunStore, dataset: str, block: int, stats: Sequence[ImageStats]) -> None:
    """Write what became of a block's images, in the order of its rows."""
    with replacing(image_stats_path(run.path, dataset, block)) as path:
        write_whole(path, pa.Table.from_pylist(list(stats), schema=IMAGE_STATS))


def read_block_image_stats(run: RunStore, dataset: str, block: int) -> list[ImageStats]:
    """Return what `write_image_stats` took, of a block that is not merged yet."""
    with readable(image_stats_path(run.path, dataset, block)) as file:
        return cast("list[ImageStats]", read_whole(file).to_pylist())


def merge_image_stats(run: RunStore, dataset: str) -> None:
    """Put what became of every image into the dataset's index; rows of blocks that are not done stay as they are."""
    folder = image_stats_path(run.path, dataset, 0).parent
    if not folder.exists():
        return
    written = {path.name: path for path in folder.iterdir()}
    index, block_rows = index_path(run.path, dataset), run.record.block_rows
    with readable(index, whole=False) as source, open_table(source) as listed, replacing(index) as path:
        schema = listed.schema_arrow
        with table_writer(path, schema) as writer:
            for group in range(listed.num_row_groups):
                table = listed.read_row_group(group)
                first_block = group * GROUP_ROWS // block_rows
                parts = []
                for number, start in enumerate(range(0, len(table), block_rows), start=first_block):
                    part = written.get(image_stats_path(run.path, dataset, number).name)
                    parts.append(_read(part) if part else table.slice(start, block_rows).select(IMAGE_STATS.names))
                stats = pa.concat_tables(parts)
                for name in IMAGE_STATS.names:
                    table = table.set_column(table.schema.get_field_index(name), name, stats[name])
                writer.write_table(table.cast(schema))
    # Whenever a crash comes, merging the tables that are left again gives the same index.
    remove_tree(folder)


def _read(path: Location) -> pa.Table:
    with readable(path) as file:
        return read_whole(file)


def list_again(
    run: RunStore, dataset: str, blocks: Sequence[int], statuses: Sequence[str] = ("ok", "not-finite")
) -> None:
    """Set images of some blocks back to `listed`; others keep their status and reason.

    Args:
        run: the run.
        dataset: the dataset's name.
        blocks: their numbers.
        statuses: of the images that are set back. Of those the network could not answer for, more is known than the
            reason.
    """
    index, again = index_path(run.path, dataset), np.array(blocks, np.int64)
    with (
        readable(index, whole=False) as source,
        open_table(source) as listed,
        replacing(index) as path,
        table_writer(path, listed.schema_arrow) as writer,
    ):
        for group in range(listed.num_row_groups):
            table = listed.read_row_group(group)
            chosen = pa.array(np.isin(table["row"].to_numpy() // run.record.block_rows, again))
            chosen = pc.and_(chosen, pc.is_in(table["status"], value_set=pa.array(list(statuses))))
            status = pc.if_else(chosen, pa.scalar("listed"), table["status"])
            writer.write_table(table.set_column(table.schema.get_field_index("status"), "status", status))
