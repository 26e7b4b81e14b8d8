"""Which datasets a run compares, and what it takes to add one later or to drop one."""

from collections.abc import Mapping
from pathlib import Path

from gapscope.store.index import forget_index
from gapscope.store.location import remove_tree
from gapscope.store.results import forget_dataset, forget_results
from gapscope.store.run_record import RunRecord


def change_datasets(run: Path, record: RunRecord, wanted: Mapping[str, str]) -> list[str]:
    """Make the datasets of a run those that are wanted, and return what was changed, in words.

    Those that stay keep their embeddings, and their neighbors among each other. Whenever this is stopped, doing it
    again ends with the same run.

    Args:
        run: the run's folder.
        record: its run.json, which is changed and written.
        wanted: name to source.
    """
    there: dict[str, str] = record.config["datasets"]
    dropped = [name for name in there if name not in wanted]
    added = [name for name in wanted if name not in there]
    if not (dropped or added):
        return []
    forget_results(run, neighbors=False)
    for name in added:
        # Of the same name, and dropped before.
        _forget(run, name)
    record.config["datasets"] = {name: there[name] for name in there if name in wanted} | {
        name: wanted[name] for name in added
    }
    for name in dropped:
        record.datasets.pop(name, None)
    record.write(run)
    for name in dropped:
        _forget(run, name)
    return [*(f"{name}: added" for name in added), *(f"{name}: dropped" for name in dropped)]


def _forget(run: Path, dataset: str) -> None:
    forget_dataset(run, dataset)
    remove_tree(run / "pyramid.zarr" / dataset)
    remove_tree(run / "thumbnails" / dataset)
    forget_index(run, dataset)
