"""The stage that compares the boxes of annotated objects."""

from collections.abc import Mapping

from gapscope.compare.boxes.differences import compare_boxes
from gapscope.compare.boxes.values import BoxValues, box_values
from gapscope.progress import Progress
from gapscope.store.annotations import read_annotations
from gapscope.store.box_metrics import PairBoxes
from gapscope.store.groups import ImageGroups
from gapscope.store.index import read_index
from gapscope.store.run_store import RunStore


def box_pairs(run: RunStore, groups: Mapping[str, ImageGroups], progress: Progress) -> dict[str, PairBoxes]:
    """Return how the boxes of every pair of datasets differ, with that as its query which the run names first.

    Args:
        run: the run, whose images are embedded.
        groups: of every dataset.
        progress: shows the work.

    Returns:
        By name of the pair; only of pairs whose images are both annotated.
    """
    values: dict[str, BoxValues] = {}
    for name, own in groups.items():
        table = read_annotations(run, name)
        if table is not None and len(table):
            objects = run.record.config.objects
            # Of an object the index has the size of its crop.
            sizes = None if objects else read_index(run, name, ["width", "height"])
            values[name] = box_values(table, own, sizes, objects=objects)
    order = list(groups)
    pairs = [
        pair
        for pair in run.pairs
        if order.index(pair.query) < order.index(pair.reference) and pair.query in values and pair.reference in values
    ]
    if not pairs:
        return {}
    found = {}
    with progress.task("boxes", len(pairs), "pair") as task:
        for pair in pairs:
            found[pair.name] = compare_boxes(values[pair.query], values[pair.reference], pair)
            task.advance(1)
    return found
