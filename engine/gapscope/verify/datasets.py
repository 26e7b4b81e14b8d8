"""Checks of what belongs to one dataset: index, annotations, counts, embeddings, flags and thumbnails."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gapscope.sources.kept_images import FILE_ROWS, file_path
from gapscope.sources.rejects import STATUSES
from gapscope.store.annotations import annotations_path, read_annotations
from gapscope.store.given import images_folder, list_path, read_kept
from gapscope.store.groups import groups_path, read_groups
from gapscope.store.image_stats import image_stats_path, read_block_image_stats
from gapscope.store.index import index_path, row_groups
from gapscope.store.location import readable, relative_name
from gapscope.store.pyramid import NAME as PYRAMID
from gapscope.store.pyramid import block_flags, open_embeddings, shard_path
from gapscope.store.run_store import RunStore
from gapscope.store.shapes import check_array
from gapscope.store.tables import open_table
from gapscope.store.thumbnails import read_block_thumbnails, thumbnails_path
from gapscope.verify.result import Check

Statuses = NDArray[np.object_]


def check_index(run: RunStore, name: str) -> tuple[Check, Statuses | None]:
    """Read every page of a dataset's index; return every row's status too, None where it cannot be read."""
    record, folder = run.record, run.path
    check = Check(what=f"index of {name}", unit="row")
    begun = (folder / PYRAMID / name).exists()
    if not record.block_rows or name not in record.datasets or not (begun or index_path(folder, name).exists()):
        check.waiting = "not listed yet"
        return check, None
    path, listed = index_path(folder, name), record.datasets[name].listed
    where = relative_name(path, folder)
    parts = []
    with check.reading(where, "listing", name):
        for table in row_groups(run, name):
            rows = table["row"].to_numpy()
            parts.append(table["status"].to_numpy(zero_copy_only=False))
            in_order = np.array_equal(rows, np.arange(check.count, check.count + len(rows)))
            check.count += len(rows)
            check.expect(in_order, where, "has rows out of order", "listing", name)
            check.expect(table["uri"].null_count == 0, where, "has rows without a name", "listing", name)
        if check.count != listed:
            check.expect(False, where, f"has {check.count:,} rows where {listed:,} are listed", "listing", name)
    if check.faults:
        return check, None
    statuses = np.concatenate([*parts, np.empty(0, object)])
    for block in range(record.blocks(name)):
        # Until all blocks are done, what became of a block's images is in a table of its own.
        if (part := image_stats_path(folder, name, block)).exists():
            with check.reading(relative_name(part, folder), "block", name, str(block)):
                start = block * record.block_rows
                own = [stats["status"] for stats in read_block_image_stats(run, name, block)]
                statuses[start : start + record.block_rows] = own
    unknown = sorted(set(statuses.tolist()) - set(STATUSES), key=str)
    if not check.expect(not unknown, where, f"has rows of an unknown status: {unknown[:3]}", "listing", name):
        return check, None
    return check, statuses


def check_kept_images(run: RunStore, name: str) -> Check:
    """Read every page of the images, or of the list of paths, that a Python program gave."""
    check = Check(what=f"kept images of {name}", unit="image")
    location = run.record.config.datasets[name]
    if location.endswith(".parquet"):
        paths = [list_path(run.path, name)]
    else:
        kept = None
        folder = images_folder(run.path, name)
        with check.reading(relative_name(folder / "kept.json", run.path), "kept", name):
            kept = read_kept(run.path, name)
        if kept is None:
            check.waiting = "" if check.faults else "not kept yet"
            return check
        check.waiting = "" if kept.complete else "not all of them yet"
        paths = [folder / Path(file_path("", start)).name for start in range(0, kept.count, FILE_ROWS)]
    for path in paths:
        with (
            check.reading(relative_name(path, run.path), "kept", name),
            readable(path) as file,
            open_table(file) as table,
        ):
            for group in range(table.num_row_groups):
                check.count += len(table.read_row_group(group))
    return check


def check_annotations(run: RunStore, name: str) -> Check:
    """Read the annotations of a dataset that has some. Whatever command lists the dataset again writes them again."""
    check = Check(what=f"annotations of {name}", unit="row")
    with check.reading(relative_name(annotations_path(run.path, name), run.path), "comparison"):
        table = read_annotations(run, name)
        check.count = 0 if table is None else len(table)
    return check


def check_image_groups(run: RunStore, name: str, statuses: Statuses | None) -> Check:
    """Check that a dataset has the groups that run.json counts."""
    check = Check(what=f"groups of {name}", unit="group")
    record = run.record.datasets.get(name)
    # As long as images are pending, nobody knows how many groups they form.
    if record is None or record.groups is None or statuses is None or (statuses == "listed").any():
        check.waiting = "not found yet"
        return check
    with check.reading(relative_name(groups_path(run.path, name), run.path), "groups", name):
        check.count = len(read_groups(run, name))
    return check


def check_counts(run: RunStore, name: str, statuses: Statuses | None) -> Check:
    """Check that run.json counts the images that a dataset's index has."""
    check = Check(what=f"counts of {name}", unit="row")
    dataset = run.record.datasets.get(name)
    if dataset is None or dataset.read is None or dataset.rejected is None:
        check.waiting = "not counted yet"
    elif statuses is not None:
        check.count = len(statuses)
        read, pending = (int(np.count_nonzero(statuses == status)) for status in ("ok", "listed"))
        counted = (read, len(statuses) - read - pending)
        check.expect(
            bool(pending) or counted == (dataset.read, dataset.rejected),
            "run.json",
            f"counts {dataset.read:,} read and {dataset.rejected:,} rejected of {name}, "
            f"its index {counted[0]:,} and {counted[1]:,}",
            "comparison",
        )
    return check


def check_embeddings(run: RunStore, name: str, statuses: Statuses | None) -> Check:
    """Read every shard of a dataset, and the flags of its blocks."""
    record = run.record
    check = Check(what=f"embeddings of {name}", unit="block")
    if statuses is None:
        check.waiting = "" if name in record.datasets else "not embedded yet"
        return check
    folder = f"{PYRAMID}/{name}"
    if not (run.path / PYRAMID / name).exists():
        embedded = bool((statuses == "ok").any())
        check.expect(not embedded, folder, "is missing, though its images were embedded", "embeddings", name)
        check.waiting = "" if embedded else "not embedded yet"
        return check
    arrays, flags = {}, np.empty(0, np.uint8)
    for level in run.levels:
        with check.reading(f"{folder}/{level}/zarr.json", "embeddings", name):
            check_array(run, f"{folder}/{level}", "f", (len(statuses), None))
            arrays[level] = open_embeddings(run, name, level)
    with check.reading(f"{folder}/done", "embeddings", name):
        flags = block_flags(run, name)
        right = len(flags) == record.blocks(name) and bool((flags <= 1).all())
        check.expect(right, f"{folder}/done", "does not hold a flag per block", "embeddings", name)
    if check.faults:
        return check
    for block in np.flatnonzero(flags).tolist():
        rows = slice(block * record.block_rows, (block + 1) * record.block_rows)
        _check_block(check, run, name, block, statuses[rows])
        for level, array in arrays.items():
            shard = relative_name(shard_path(run.path, name, level, block), run.path)
            with check.reading(shard, "block", name, str(block)):
                finite = np.isfinite(np.asarray(array[rows]))
                right = bool((finite == (statuses[rows] == "ok")[:, None]).all())
                what = "does not hold a vector for each image that was read, and for no other"
                check.expect(right, shard, what, "block", name, str(block))
    if pending := len(flags) - check.count:
        check.waiting = f"{pending:,} of {len(flags):,} blocks are not embedded yet"
    return check


def _check_block(check: Check, run: RunStore, name: str, block: int, statuses: Statuses) -> None:
    check.count += 1
    pending = int(np.count_nonzero(statuses == "listed"))
    flag = f"{PYRAMID}/{name}/done/c/{block}"
    check.expect(
        not pending, flag, f"says done, but {pending:,} of its images were not looked at", "block", name, str(block)
    )
    thumbnails = relative_name(thumbnails_path(run.path, name, block), run.path)
    with check.reading(thumbnails, "block", name, str(block)):
        jpegs = read_block_thumbnails(run, name, block).values()
        right = all(jpeg.startswith(b"\xff\xd8") for jpeg in jpegs)
        check.expect(right, thumbnails, "holds what is no picture", "block", name, str(block))
