"""Taking out of a run what is broken, and no more: then the same compare command makes it again."""

from collections.abc import Callable, Sequence
from pathlib import Path

import zarr

from gapscope.store.index import forget_index, image_stats_path, list_again
from gapscope.store.location import remove_tree, zarr_store
from gapscope.store.pyramid import mark_pending, shard_path
from gapscope.store.results import forget_dataset, pair_name, reopen
from gapscope.store.run_record import RunRecord
from gapscope.store.thumbnails import thumbnails_path
from gapscope.verify.result import Fault, Part


def remove_faulty(run: Path, record: RunRecord, faults: Sequence[Fault]) -> None:
    """Remove what has faults. Whenever this is stopped, the next look at the run finds what is left to be done."""
    parts = dict.fromkeys((fault.part, fault.where) for fault in faults)
    if any(part not in ("report", "group") for part, _ in parts):
        reopen(run)
    blocks: dict[str, list[int]] = {}
    for part, where in parts:
        if part == "block":
            blocks.setdefault(where[0], []).append(int(where[1]))
        else:
            _TAKE_OUT[part](run, record, *where)
    for name, numbers in blocks.items():
        # Of a dataset that is listed again, no block is left.
        if ("listing", (name,)) not in parts:
            _blocks(run, record, name, numbers)


def _blocks(run: Path, record: RunRecord, name: str, blocks: Sequence[int]) -> None:
    list_again(run, name, blocks, record.block_rows)
    for block in blocks:
        for level in record.config["embed"]["levels"]:
            shard_path(run, name, level, block).unlink(missing_ok=True)
        thumbnails_path(run, name, block).unlink(missing_ok=True)
        image_stats_path(run, name, block).unlink(missing_ok=True)
    # Last: as long as they say done, and their images are listed only, that is found.
    if (run / "pyramid.zarr" / name).exists():
        mark_pending(run, name, blocks)


def _group(run: Path, _: RunRecord, store: str, path: str) -> None:
    (run / store).joinpath(*path.split("/"), "zarr.json").unlink(missing_ok=True)
    zarr.open_group(zarr_store(run / store), path=path, mode="a", zarr_format=3)


def _embeddings(run: Path, record: RunRecord, name: str) -> None:
    blocks = range(-(-record.datasets[name]["listed"] // record.block_rows))
    list_again(run, name, blocks, record.block_rows)
    remove_tree(image_stats_path(run, name, 0).parent)
    remove_tree(run / "thumbnails" / name)
    remove_tree(run / "pyramid.zarr" / name)


def _listing(run: Path, record: RunRecord, name: str) -> None:
    # Rows of images that were added later may come in another order.
    forget_dataset(run, name)
    for level in record.config["embed"]["levels"]:
        _layout(run, record, level)
    remove_tree(run / "pyramid.zarr" / name)
    remove_tree(run / "thumbnails" / name)
    forget_index(run, name)


def _scaler(run: Path, record: RunRecord, level: str) -> None:
    remove_tree(run / "neighbors.zarr" / level)
    _layout(run, record, level)
    record.scaler.pop(level, None)
    record.write(run)


def _neighbors(run: Path, _: RunRecord, level: str, query: str, reference: str) -> None:
    remove_tree(run / "neighbors.zarr" / level / pair_name(query, reference))


def _layout(run: Path, _: RunRecord, level: str) -> None:
    for store in ("layout.zarr", "clusters.zarr"):
        remove_tree(run / store / level)


def _earlier(run: Path, _: RunRecord, level: str, name: str) -> None:
    remove_tree(run / "previous_layout.zarr" / level / name)


def _comparison(run: Path, _: RunRecord) -> None:
    remove_tree(run / "manifests")


def _report(run: Path, _: RunRecord) -> None:
    remove_tree(run / "report")


_TAKE_OUT: dict[Part, Callable[..., None]] = {
    "listing": _listing,
    "group": _group,
    "embeddings": _embeddings,
    "scaler": _scaler,
    "neighbors": _neighbors,
    "layout": _layout,
    "earlier": _earlier,
    "comparison": _comparison,
    "report": _report,
}
