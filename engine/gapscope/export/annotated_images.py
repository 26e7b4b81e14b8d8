"""The images of an export with the objects that are annotated in them, for the forms of annotations."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from gapscope.export.choice import ChosenImages, Standing
from gapscope.sources import Entry
from gapscope.sources.annotations.annotation import Annotation, Edges, Outline
from gapscope.sources.annotations.image_size import size_from_head
from gapscope.store.annotations import read_annotations
from gapscope.store.index import take_rows
from gapscope.store.run_store import RunStore


@dataclass(frozen=True, eq=False)
class AnnotatedImage:
    """An image, and what is annotated in it.

    Attributes:
        place: its place among the chosen images, or that of the first object of it that was chosen.
        dataset: name of its dataset.
        row: the row in the index of what has this place.
        entry: of that row, through which its bytes are read.
        uri: of the image; of a run of objects not that of the object.
        width: in pixels, as annotated; 0 if unknown.
        height: likewise.
        standing: what the list says of the image, or of this object.
        kind: id of its kind, or that of this object; empty for none.
        objects: in it, all that have a box.
        chosen: of a run of objects, the places among the chosen by number in `objects`.
    """

    place: int
    dataset: str
    row: int
    entry: Entry
    uri: str
    width: float
    height: float
    standing: Standing | None
    kind: str
    objects: Sequence[Annotation] = ()
    chosen: Mapping[int, int] = field(default_factory=dict)

    def sized(self, file: Path | None) -> tuple[int, int]:
        """Return width and height in pixels, of the file where nothing tells them; 0 and 0 if unknown."""
        if self.width > 0 and self.height > 0:
            return round(self.width), round(self.height)
        if file is None or not file.is_file():
            return 0, 0
        with file.open("rb") as opened:
            return size_from_head(opened)

    @property
    def facts(self) -> dict[str, Any]:
        """What is known of the image beside its annotations, for the fields that a tool shows."""
        facts: dict[str, Any] = {"dataset": self.dataset, "uri": self.uri, "kind": self.kind}
        return facts | standing_facts(self.standing)


def standing_facts(standing: Standing | None) -> dict[str, Any]:
    """Return what a list says of an image: list, reference, rank, q and score; None for what is not known.

    Example:
        >>> standing_facts(Standing("P5.a-vs-b", "P5", "as-is", "b", 3, 0.01, float("nan")))["score"] is None
        True
    """
    if standing is None:
        return dict.fromkeys(("list", "reference", "rank", "q", "score"))
    numbers = {
        name: None if np.isnan(value) else float(f"{value:.6g}")
        for name, value in (("q", standing.q), ("score", standing.score))
    }
    return {"list": standing.list, "reference": standing.reference, "rank": standing.rank, **numbers}


def annotated_images(chosen: ChosenImages) -> list[AnnotatedImage]:
    """Return the images in the order in which they, or the first of their objects, were chosen."""
    images: list[AnnotatedImage] = []
    for name in chosen.run.datasets:
        own = [place for place, dataset in enumerate(chosen.dataset) if dataset == name]
        if own:
            images += _of_dataset(chosen, name, own)
    return sorted(images, key=lambda image: image.place)


def _of_dataset(chosen: ChosenImages, dataset: str, own: list[int]) -> list[AnnotatedImage]:
    run, of_objects = chosen.run, chosen.run.record.config.objects
    rows = np.array([chosen.row[at] for at in own], np.int64)
    annotated = read_annotations(run, dataset)
    sizes = take_rows(run, dataset, rows, ["width", "height"]).to_pylist()
    names = [chosen.entries[at].uri for at in own]
    objects: dict[str, list[dict[str, Any]]] = {}
    if annotated is not None:
        names, objects = _objects(annotated, rows, names, of_objects=of_objects)
    places: dict[str, list[int]] = {}
    for number, name in enumerate(names):
        places.setdefault(name, []).append(number)
    found = []
    for name, numbers in places.items():
        first = own[numbers[0]]
        annotations = objects.get(name, [])
        told = [each for each in annotations if each["left"] is not None]
        width, height = (annotations[0][side] if annotations else 0 for side in ("image_width", "image_height"))
        if not width and not of_objects:
            width, height = sizes[numbers[0]]["width"] or 0, sizes[numbers[0]]["height"] or 0
        at_row = {int(rows[number]): own[number] for number in numbers} if of_objects else {}
        found.append(
            AnnotatedImage(
                place=first,
                dataset=dataset,
                row=chosen.row[first],
                entry=chosen.entries[first],
                uri=name,
                width=width,
                height=height,
                standing=chosen.standing[first],
                kind=chosen.kind[first],
                objects=[_annotation(each, chosen.entries, at_row) for each in told],
                chosen={number: at_row[each["row"]] for number, each in enumerate(told) if each["row"] in at_row},
            )
        )
    return found


def _objects(
    annotated: pa.Table, rows: NDArray[np.int64], uris: list[str], *, of_objects: bool
) -> tuple[list[str], dict[str, list[dict[str, Any]]]]:
    """Return the name of the image of each row, and by this name what is annotated in it."""
    key = "image" if of_objects else "uri"
    mine = annotated.filter(pc.is_in(annotated["row"], value_set=pa.array(rows)))
    # The other objects of an image may be in rows that were not chosen, or in none.
    own = annotated.filter(pc.is_in(annotated[key], value_set=mine[key].combine_chunks())) if of_objects else mine
    by_name: dict[str, list[dict[str, Any]]] = {}
    for each in own.to_pylist():
        by_name.setdefault(each[key], []).append(each)
    names = dict(zip(mine["row"].to_pylist(), mine[key].to_pylist(), strict=True))
    return [names.get(row, uri) for row, uri in zip(rows.tolist(), uris, strict=True)], by_name


def _annotation(each: Mapping[str, Any], entries: Sequence[Entry], at_row: Mapping[int, int]) -> Annotation:
    box = entries[at_row[each["row"]]].box if each["row"] in at_row else None
    outline: Outline | None = None if box is None else box.outline
    return Annotation(
        id=each["id"] or "",
        category=each["category"],
        edges=Edges(each["left"], each["top"], each["right"], each["bottom"]),
        area=each["area"],
        truncation=each["truncation"],
        occlusion=each["occlusion"],
        crowd=bool(each["crowd"]),
        outline=outline,
    )


def has_annotations(run: RunStore, datasets: Iterable[str]) -> bool:
    """Return whether the source of any of some datasets has annotations."""
    return any(run.record.datasets[name].annotations is not None for name in datasets)
