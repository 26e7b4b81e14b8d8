"""A row per image of an export, for the tools that show tables of images."""

import numpy as np
import pyarrow as pa

from gapscope.export.annotated_images import standing_facts
from gapscope.export.choice import ChosenImages
from gapscope.store.index import PREFIX, row_groups, take_rows
from gapscope.store.run_store import RunStore


def image_table(chosen: ChosenImages) -> pa.Table:
    """Return what is known of the images, a row each.

    Columns: dataset, row, uri, kind; list, reference, rank, q and score, of the list that they are from; per level
    `P3_x`, `P3_y`, `P3_z`, `P3_cluster` and `P3_outlier`, the datasets that it is an outlier against; and what the
    datasets' sources say of them. Of these a column with the name of another is called `meta.NAME`.
    """
    columns: dict[str, object] = {
        "dataset": pa.array(chosen.dataset, pa.string()),
        "row": pa.array(chosen.row, pa.int64()),
        "uri": pa.array([entry.uri for entry in chosen.entries], pa.string()),
        "kind": pa.array(chosen.kind, pa.string()),
    }
    facts = [standing_facts(each) for each in chosen.standing]
    kinds = {
        "list": pa.string(),
        "reference": pa.string(),
        "rank": pa.int64(),
        "q": pa.float64(),
        "score": pa.float64(),
    }
    columns |= {name: pa.array([each[name] for each in facts], kind) for name, kind in kinds.items()}
    for level in chosen.run.levels:
        points, clusters = chosen.points.points(level)
        columns |= {f"{level}_{axis}": points[:, at] for at, axis in enumerate("xyz")}
        columns[f"{level}_cluster"] = clusters
        columns[f"{level}_outlier"] = pa.array(chosen.outlier_references(level), pa.string())
    for name, values in _source_values(chosen).items():
        own = name.removeprefix(PREFIX)
        columns[name if own in columns else own] = values
    return pa.table(columns)


def source_columns(run: RunStore) -> dict[str, pa.DataType]:
    """Return the columns that any dataset's source has; one that two sources have of different kinds is a text."""
    columns: dict[str, pa.DataType] = {}
    for name in run.datasets:
        for field in next(row_groups(run, name)).schema:
            if field.name.startswith(PREFIX):
                same = columns.get(field.name, field.type) == field.type
                columns[field.name] = field.type if same else pa.string()
    return columns


def _source_values(chosen: ChosenImages) -> dict[str, pa.Array]:
    wanted = source_columns(chosen.run)
    values = {name: np.full(len(chosen), None, dtype=object) for name in wanted}
    for number, dataset in enumerate(chosen.run.datasets):
        own = np.flatnonzero(chosen.points.dataset == number)
        if len(own):
            table = take_rows(chosen.run, dataset, chosen.points.row[own])
            for name, kind in wanted.items():
                if name in table.column_names:
                    values[name][own] = table[name].cast(kind).to_pylist()
    return {name: pa.array(list(values[name]), kind) for name, kind in wanted.items()}
