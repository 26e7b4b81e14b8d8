"""Which datasets a run compares: adding one later, and dropping one."""

from collections.abc import Mapping
from dataclasses import replace

from gapscope.store.annotations import remove_annotations
from gapscope.store.given import remove_given
from gapscope.store.groups import remove_groups
from gapscope.store.index import remove_index
from gapscope.store.layouts import remove_dataset_results, remove_results
from gapscope.store.location import remove_tree
from gapscope.store.pyramid import NAME as PYRAMID
from gapscope.store.run_store import RunStore


def change_datasets(
    run: RunStore,
    wanted: Mapping[str, str],
    group: Mapping[str, str],
    value_range: Mapping[str, str],
    vectors: Mapping[str, dict[str, str]],
) -> list[str]:
    """Make the datasets of a run those that are wanted, and return what was changed, in words.

    Those that stay keep their embeddings, and their neighbors among each other. Whenever this is stopped, doing it
    again ends with the same run.

    Args:
        run: the run, whose record is changed and written.
        wanted: source by name.
        group: per dataset, how its groups are found.
        value_range: `LOW:HIGH`, of the datasets that have a range by hand.
        vectors: per dataset that brings some, where they are by level.
    """
    record = run.record
    existing = record.config.datasets
    dropped = [name for name in existing if name not in wanted]
    added = [name for name in wanted if name not in existing]
    if not (dropped or added):
        return []
    remove_results(run, neighbors=False)
    for name in added:
        # A dataset of the same name may have been dropped before.
        remove_dataset(run, name)
        remove_given(run.path, name)
    kept = {name: source for name, source in existing.items() if name in wanted}
    datasets = kept | {name: wanted[name] for name in added}
    record.config = replace(
        record.config,
        datasets=datasets,
        group={name: group[name] for name in datasets},
        value_range={name: value_range[name] for name in datasets if name in value_range},
        vectors={name: vectors[name] for name in datasets if name in vectors},
    )
    for name in dropped:
        record.datasets.pop(name, None)
    run.write_record()
    for name in dropped:
        remove_dataset(run, name)
        remove_given(run.path, name)
    return [*(f"{name}: added" for name in added), *(f"{name}: dropped" for name in dropped)]


def remove_dataset(run: RunStore, dataset: str) -> None:
    """Remove what a run has made of a dataset, but for its rows in layouts; its index goes last.

    Images that a Python program gave stay: nobody could make them again.
    """
    remove_dataset_results(run, dataset)
    remove_tree(run.path / PYRAMID / dataset)
    run.close(f"{PYRAMID}/{dataset}")
    remove_tree(run.path / "thumbnails" / dataset)
    remove_groups(run, dataset)
    remove_annotations(run, dataset)
    remove_index(run, dataset)
