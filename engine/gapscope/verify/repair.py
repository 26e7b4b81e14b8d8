"""Removing from a run what is broken, and no more: the same compare command then makes it again."""

from collections.abc import Callable, Sequence

import zarr

from gapscope.store.compared import remove_compared
from gapscope.store.datasets import Pair
from gapscope.store.gaps import remove_gaps
from gapscope.store.given import remove_given
from gapscope.store.groups import forget_groups
from gapscope.store.heat_maps import remove_heat_maps
from gapscope.store.image_stats import image_stats_path, list_again
from gapscope.store.layouts import CLUSTERS, LAYOUT, PREVIOUS, mark_unfinished
from gapscope.store.location import remove_tree, zarr_store
from gapscope.store.membership import remove_dataset
from gapscope.store.neighbors import NAME as NEIGHBORS
from gapscope.store.pyramid import NAME as PYRAMID
from gapscope.store.pyramid import mark_pending, shard_path
from gapscope.store.run_store import RunStore
from gapscope.store.thumbnails import thumbnails_path
from gapscope.verify.result import Fault, Part


def remove_faulty(run: RunStore, faults: Sequence[Fault]) -> None:
    """Remove what has faults. Whenever this is stopped, the next check of the run finds what is left to be done."""
    parts = dict.fromkeys((fault.part, fault.where) for fault in faults)
    if any(part not in ("report", "group") for part, _ in parts):
        mark_unfinished(run)
    blocks: dict[str, list[int]] = {}
    for part, where in parts:
        if part == "block":
            blocks.setdefault(where[0], []).append(int(where[1]))
        else:
            _REMOVE[part](run, *where)
    for name, numbers in blocks.items():
        # Of a dataset that has to be listed again, no block is left.
        if ("listing", (name,)) not in parts:
            _remove_blocks(run, name, numbers)


def _remove_blocks(run: RunStore, name: str, blocks: Sequence[int]) -> None:
    list_again(run, name, blocks)
    for block in blocks:
        for level in run.levels:
            shard_path(run.path, name, level, block).unlink(missing_ok=True)
        thumbnails_path(run.path, name, block).unlink(missing_ok=True)
        image_stats_path(run.path, name, block).unlink(missing_ok=True)
    # Last: as long as a flag says done while images are listed only, the next check finds that.
    if (run.path / PYRAMID / name).exists():
        mark_pending(run, name, blocks)


def _make_group(run: RunStore, store: str, path: str) -> None:
    (run.path / store).joinpath(*path.split("/"), "zarr.json").unlink(missing_ok=True)
    zarr.open_group(zarr_store(run.path / store), path=path, mode="a", zarr_format=3)


def _remove_embeddings(run: RunStore, name: str) -> None:
    list_again(run, name, range(run.record.blocks(name)))
    remove_tree(image_stats_path(run.path, name, 0).parent)
    remove_tree(run.path / "thumbnails" / name)
    remove_tree(run.path / PYRAMID / name)
    run.close(PYRAMID)


def _remove_listing(run: RunStore, name: str) -> None:
    # Rows of images that were added later may come in another order.
    for level in run.levels:
        _remove_layout(run, level)
    remove_dataset(run, name)


def _remove_scaler(run: RunStore, level: str) -> None:
    remove_tree(run.path / NEIGHBORS / level)
    run.close(NEIGHBORS)
    _remove_layout(run, level)
    run.record.scaler.pop(level, None)
    run.record.style_scaler.pop(level, None)
    run.write_record()


def _remove_groups(run: RunStore, name: str) -> None:
    # Neighbors among other groups are noticed by their digest.
    forget_groups(run, name)


def _remove_neighbors(run: RunStore, level: str, query: str, reference: str) -> None:
    remove_tree(run.path / NEIGHBORS / level / Pair(query, reference).name)
    run.close(NEIGHBORS)


def _remove_layout(run: RunStore, level: str) -> None:
    for store in (LAYOUT, CLUSTERS):
        remove_tree(run.path / store / level)
        run.close(f"{store}/{level}")


def _remove_previous(run: RunStore, level: str, name: str) -> None:
    remove_tree(run.path / PREVIOUS / level / name)
    run.close(PREVIOUS)


def _remove_comparison(run: RunStore) -> None:
    remove_compared(run)
    remove_tree(run.path / "manifests")
    remove_tree(run.path / "scores")
    remove_gaps(run.path)
    remove_heat_maps(run.path)


def _remove_report(run: RunStore) -> None:
    remove_heat_maps(run.path)
    remove_tree(run.path / "report")


def _remove_kept(run: RunStore, name: str) -> None:
    remove_given(run.path, name)


_REMOVE: dict[Part, Callable[..., None]] = {
    "kept": _remove_kept,
    "listing": _remove_listing,
    "group": _make_group,
    "embeddings": _remove_embeddings,
    "scaler": _remove_scaler,
    "groups": _remove_groups,
    "neighbors": _remove_neighbors,
    "layout": _remove_layout,
    "previous": _remove_previous,
    "comparison": _remove_comparison,
    "report": _remove_report,
}
