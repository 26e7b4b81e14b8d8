"""Indexes, embeddings, flags and thumbnails of a run."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gapscope.sources.rejects import STATUSES
from gapscope.store.index import groups_of, image_stats_path, index_path, read_block_image_stats
from gapscope.store.pyramid import block_flags, open_embeddings, shard_path
from gapscope.store.run_record import RunRecord
from gapscope.store.shapes import check_array
from gapscope.store.thumbnails import read_block_thumbnails, thumbnails_path
from gapscope.verify.result import Check

Statuses = NDArray[np.object_]


def check_index(run: Path, record: RunRecord, name: str) -> tuple[Check, Statuses | None]:
    """Look at every page of a dataset's index; return every row's status too, None where it cannot be had."""
    check = Check(what=f"index of {name}", unit="row")
    begun = (run / "pyramid.zarr" / name).exists()
    if not record.block_rows or name not in record.datasets or not (begun or index_path(run, name).exists()):
        check.waiting = "not listed yet"
        return check, None
    path, listed = index_path(run, name), record.datasets[name]["listed"]
    at = str(path.relative_to(run))
    parts = []
    with check.reading(at, "listing", name):
        for table in groups_of(run, name):
            rows = table["row"].to_numpy()
            parts.append(table["status"].to_numpy(zero_copy_only=False))
            in_order = np.array_equal(rows, np.arange(check.looked_at, check.looked_at + len(rows)))
            check.looked_at += len(rows)
            check.expect(in_order, at, "has rows out of order", "listing", name)
            check.expect(table["uri"].null_count == 0, at, "has rows without a name", "listing", name)
        if check.looked_at != listed:
            check.expect(False, at, f"has {check.looked_at:,} rows where {listed:,} are listed", "listing", name)
    if check.faults:
        return check, None
    statuses = np.concatenate([*parts, np.empty(0, object)])
    for block in range(_blocks(record, name)):
        # What became of a block's images lies apart until all blocks are done.
        if (part := image_stats_path(run, name, block)).exists():
            with check.reading(str(part.relative_to(run)), "block", name, str(block)):
                start = block * record.block_rows
                found = [fact["status"] for fact in read_block_image_stats(run, name, block)]
                statuses[start : start + record.block_rows] = found
    unknown = sorted(set(statuses.tolist()) - set(STATUSES), key=str)
    if not check.expect(not unknown, at, f"has rows of an unknown status: {unknown[:3]}", "listing", name):
        return check, None
    return check, statuses


def check_counts(run: Path, record: RunRecord, name: str, statuses: Statuses | None) -> Check:
    """Hold what run.json says of a dataset against its index."""
    check = Check(what=f"counts of {name}", unit="row")
    facts = record.datasets.get(name, {})
    if "read" not in facts:
        check.waiting = "not counted yet"
    elif statuses is not None:
        check.looked_at = len(statuses)
        read, waits = (int(np.count_nonzero(statuses == status)) for status in ("ok", "listed"))
        counted = (read, len(statuses) - read - waits)
        said = f"{facts['read']:,} read and {facts['rejected']:,} rejected"
        check.expect(
            bool(waits) or counted == (facts["read"], facts["rejected"]),
            "run.json",
            f"counts {said} of {name}, its index {counted[0]:,} and {counted[1]:,}",
            "comparison",
        )
    return check


def check_embeddings(run: Path, record: RunRecord, name: str, statuses: Statuses | None) -> Check:
    """Look at every shard of a dataset, and at what says that it is there."""
    check = Check(what=f"embeddings of {name}", unit="block")
    if statuses is None:
        check.waiting = "" if name in record.datasets else "not embedded yet"
        return check
    folder = f"pyramid.zarr/{name}"
    if not (run / "pyramid.zarr" / name).exists():
        looked_at = bool((statuses == "ok").any())
        check.expect(not looked_at, folder, "is missing, though its images were embedded", "embeddings", name)
        check.waiting = "" if looked_at else "not embedded yet"
        return check
    arrays, flags = {}, np.empty(0, np.uint8)
    for level in record.config["embed"]["levels"]:
        with check.reading(f"{folder}/{level}/zarr.json", "embeddings", name):
            check_array(run, f"{folder}/{level}", "f", (len(statuses), None))
            arrays[level] = open_embeddings(run, name, level)
    with check.reading(f"{folder}/done", "embeddings", name):
        flags = block_flags(run, name)
        right = len(flags) == _blocks(record, name) and bool((flags <= 1).all())
        check.expect(right, f"{folder}/done", "does not hold a flag per block", "embeddings", name)
    if check.faults:
        return check
    for block in np.flatnonzero(flags).tolist():
        rows = slice(block * record.block_rows, (block + 1) * record.block_rows)
        _check_block(check, run, name, block, statuses[rows])
        for level, array in arrays.items():
            shard = str(shard_path(run, name, level, block).relative_to(run))
            with check.reading(shard, "block", name, str(block)):
                finite = np.isfinite(np.asarray(array[rows]))
                right = bool((finite == (statuses[rows] == "ok")[:, None]).all())
                what = "does not hold a vector for each image that was read, and for no other"
                check.expect(right, shard, what, "block", name, str(block))
    if waits := len(flags) - check.looked_at:
        check.waiting = f"{waits:,} of {len(flags):,} blocks are not embedded yet"
    return check


def _check_block(check: Check, run: Path, name: str, block: int, statuses: Statuses) -> None:
    check.looked_at += 1
    waits = int(np.count_nonzero(statuses == "listed"))
    flag = f"pyramid.zarr/{name}/done/c/{block}"
    check.expect(
        not waits, flag, f"says done, but {waits:,} of its images were not looked at", "block", name, str(block)
    )
    pictures = str(thumbnails_path(run, name, block).relative_to(run))
    with check.reading(pictures, "block", name, str(block)):
        kept = read_block_thumbnails(run, name, block)
        right = all(data.startswith(b"\xff\xd8") for data in kept.values())
        check.expect(right, pictures, "holds what is no picture", "block", name, str(block))


def _blocks(record: RunRecord, name: str) -> int:
    listed: int = record.datasets[name]["listed"]
    return -(-listed // record.block_rows)
