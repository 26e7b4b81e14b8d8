"""Label Studio's exports, in full and as JSON-MIN: which annotation counts, what each region is, and whose image."""

import json
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from annotated import covered, objects_of, read_images
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from open_and_list import contents, open_and_list

from gapscope.errors import SourceError
from gapscope.sources.annotations.annotation import Edges, Outline
from gapscope.sources.annotations.label_studio.brush import brush_runs
from gapscope.sources.annotations.label_studio.dataset import LabelStudio, open_label_studio

Picture = Callable[[int], bytes]
Json = dict[str, Any]


def write(folder: Path, tasks: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "export.json"
    path.write_text(json.dumps(tasks))
    return path


def images(picture: Picture, folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        (folder / name).write_bytes(picture(number))


def opened(path: Path, part: str | None = None) -> LabelStudio:
    return open_label_studio(str(path), part, str(path) + ("" if part is None else f"::{part}"))


def region(own_id: str = "r", kind: str = "rectanglelabels", label: str | None = "car", **value: Any) -> Json:
    labels = {} if label is None else {kind: [label]}
    sizes = {"original_width": 200, "original_height": 100, "image_rotation": 0}
    return {**sizes, "id": own_id, "type": kind, "to_name": "image", "from_name": "label", "value": {**value, **labels}}


BOX: Json = {"x": 10, "y": 20, "width": 30, "height": 40, "rotation": 0}
BOX_EDGES = Edges(20, 20, 80, 60)


def task(*annotations: Any, image: Any = "a.png", own_id: int = 1, **more: Any) -> Json:
    return {"id": own_id, "data": {"image": image}, "annotations": list(annotations), **more}


def annotation(*regions: Any, at: str = "2024-01-30T02:40:43.893565Z", **more: Any) -> Json:
    return {"id": 22, "completed_by": 1, "result": list(regions), "was_cancelled": False, "created_at": at, **more}


def packed(
    values: NDArray[Any], word: int = 8, lengths: tuple[int, ...] = (3, 4, 8, 16), *, listed: bool = False
) -> list[int]:
    """Return values as Label Studio packs them: as repeated ones where neighbors are the same, or all as lists."""
    bits = f"{len(values):032b}{word - 1:05b}" + "".join(f"{length - 1:04b}" for length in lengths)
    most = 2 ** lengths[-1]
    changes = [] if listed else (np.flatnonzero(np.diff(values)) + 1).tolist()
    cuts = sorted({0, *range(0, len(values), most), *changes, len(values)})
    for start, end in pairwise(cuts):
        choice = next(place for place, length in enumerate(lengths) if end - start <= 2**length)
        bits += f"{int(not listed)}{choice:02b}{end - start - 1:0{lengths[choice]}b}"
        bits += "".join(f"{value:0{word}b}" for value in (values[start:end] if listed else values[start : start + 1]))
    bits += "0" * (8 - len(bits) % 8)
    return [int(bits[place : place + 8], 2) for place in range(0, len(bits), 8)]


def test_every_region_that_is_an_object_is_read(tmp_path: Path, picture: Picture) -> None:
    images(picture, tmp_path / "images", "a.png")
    painted = np.zeros((100, 200), np.uint8)
    painted[10:20, 30:50] = 200
    regions = [
        region("k1", **BOX),
        region("k2", **{**BOX, "rotation": 90}),
        region("k3", "polygonlabels", "tree", points=[[10, 10], [50, 20], [30, 90]], closed=True),
        region("k4", "ellipselabels", "sun", x=50, y=50, radiusX=10, radiusY=5, rotation=0),
        region("k5", "brushlabels", "sky", format="rle", rle=packed(np.repeat(painted.ravel(), 4))),
        # A rectangle that gets its label from a tag of its own, and an answer about it.
        region("k6", "rectangle", None, **BOX),
        region("k6", "labels", "bus", **BOX),
        {"id": "k6", "type": "choices", "to_name": "image", "value": {**BOX, "choices": ["new"]}},
        region("k7", "keypointlabels", "nose", x=1, y=2, width=0.5),
        {"type": "choices", "to_name": "image", "value": {"choices": ["day"]}},
        {"type": "relation", "from_id": "k1", "to_id": "k2", "direction": "right"},
    ]
    entries, told = read_images(opened(write(tmp_path, [task(annotation(*regions))])))
    found = {each.id: each for each in objects_of(entries[0])}
    assert [(each.id, each.category) for each in found.values()] == [
        ("k1", "car"), ("k2", "car"), ("k3", "tree"), ("k4", "sun"), ("k5", "sky"), ("k6", "bus"),
    ]  # fmt: skip
    assert (found["k1"].edges, found["k1"].outline) == (BOX_EDGES, None)
    # Turned clockwise around its corner at the top left, in pixels.
    assert found["k2"].edges == pytest.approx((-20, 20, 20, 80))
    assert found["k2"].outline is not None
    assert found["k2"].outline.polygons[0] == pytest.approx((20, 20, 20, 80, -20, 80, -20, 20))
    assert found["k3"].outline == Outline(((20, 10, 100, 20, 60, 90),))
    assert found["k3"].edges == Edges(20, 10, 100, 90)
    assert found["k4"].edges == Edges(80, 45, 120, 55)
    assert found["k5"].edges == Edges(30, 10, 50, 20)
    assert found["k5"].outline is not None
    assert np.array_equal(covered(found["k5"].outline, 200, 100), painted > 0)
    own = entries[0].annotations
    assert own is not None
    assert (own.width, own.height) == (200, 100)
    assert "regions of type keypointlabels (1" in told


@given(
    st.tuples(st.integers(1, 6), st.integers(1, 6)).flatmap(
        lambda shape: arrays(np.uint8, (*shape, 4), elements=st.sampled_from((0, 0, 7, 255)))
    ),
    st.sampled_from((8, 9, 16)),
    st.sampled_from(((3, 4, 8, 16), (1, 2, 3, 4))),
    st.booleans(),
)
def test_a_brush_paints_where_alpha_is(
    values: NDArray[np.uint8], word: int, lengths: tuple[int, ...], listed: bool
) -> None:
    height, width = values.shape[:2]
    runs = brush_runs(packed(values.ravel().astype(int), word, lengths, listed=listed), width, height)
    mask = runs.mask(width, height)
    alpha = values[..., 3] > 0
    assert (mask is None) == (not alpha.any())
    assert (runs.edges is None) == (not alpha.any())
    if mask is not None:
        assert np.array_equal(covered(Outline(masks=(mask,)), width, height), alpha)


@given(st.lists(st.integers(0, 255), max_size=40), st.booleans())
def test_a_broken_brush_is_told(rle: list[int], has_header: bool) -> None:
    header = packed(np.zeros(64, int))[:7] if has_header else []
    # It has the values of 16 pixels, or it is refused; other exceptions would end a run.
    with suppress(ValueError):
        brush_runs(header + rle, 4, 4)


def test_the_last_annotation_that_nobody_cancelled_counts(tmp_path: Path, picture: Picture) -> None:
    images(picture, tmp_path, "a.png", "b.png", "c.png", "d.png")
    predictions = [{"result": [region("p", **BOX)]}]
    newest = annotation(region("new", **BOX), at="2025-01-01T00:00:00Z")
    tasks = [
        task(newest, annotation(region("old", **BOX)), annotation(at="2026-01-01T00:00:00Z", was_cancelled=True)),
        task(annotation(was_cancelled=True), image="b.png", own_id=2),
        task(image="c.png", own_id=3, predictions=predictions),
        {"id": 4, "data": {"image": "d.png"}, "completions": [{"result": [region("first", **BOX)]}]},
    ]
    entries, told = read_images(opened(write(tmp_path, tasks)))
    assert [[each.id for each in objects_of(entry)] for entry in entries] == [["new"], [], [], ["first"]]
    assert "cancelled annotations (2, such as task 1)" in told
    assert "predictions (1, such as task 3)" in told
    assert "of a task's several annotations the last is taken (1 in all)" in told


def test_predictions_count_where_no_task_has_annotations(tmp_path: Path, picture: Picture) -> None:
    images(picture, tmp_path, "a.png", "b.png")
    predictions = [{"result": [region(own_id, **BOX)], "score": 0.5} for own_id in ("one", "two")]
    tasks = [task(predictions=predictions), task(image="b.png", own_id=2)]
    entries, told = read_images(opened(write(tmp_path, tasks)))
    assert [[each.id for each in objects_of(entry)] for entry in entries] == [["two"], []]
    assert "no task has annotations, and predictions are taken" in told


def test_json_min_has_a_row_per_annotation(tmp_path: Path, picture: Picture) -> None:
    images(picture, tmp_path, "a.png", "b.png")
    sizes = {"original_width": 200, "original_height": 100}
    own = {"annotator": 1, "annotation_id": 22, "updated_at": "2024", "lead_time": 8.65}
    polygon = {"points": [[10, 10], [50, 20], [30, 90]], "closed": True, "polygonlabels": ["tree"], **sizes}
    rows = [
        {"image": "/data/upload/29/a.png", "id": 87, "label": [{**BOX, "rectanglelabels": ["car"], **sizes}, polygon],
         "time_of_day": "night", "created_at": "2024-01-02", **own},
        {"image": "/data/upload/29/a.png", "id": 87, "label": [polygon], "created_at": "2024-01-01", **own},
        {"image": "/data/upload/29/b.png", "id": 88, "tags": ["x", "y"], "created_at": "2024-01-01", **own},
    ]  # fmt: skip
    entries, told = read_images(opened(write(tmp_path, rows)))
    first, second = objects_of(entries[0])
    assert (first.id, first.category, first.edges) == ("1", "car", BOX_EDGES)
    assert (second.id, second.category, second.edges) == ("2", "tree", Edges(20, 10, 100, 90))
    assert objects_of(entries[1]) == ()
    assert "of a task's several annotations the last is taken (1 in all)" in told


def test_names_are_found_as_label_studio_gives_them(tmp_path: Path, picture: Picture) -> None:
    images(picture, tmp_path / "photos", "plain.png", "0a1b2c3d-kept.png", "own.png", "local file.png", "web.png")
    names = {
        "/data/upload/1/plain.png": "plain.png",
        "/data/upload/1/0a1b2c3d-kept.png": "0a1b2c3d-kept.png",
        "/data/upload/1/e97d4735-own.png": "own.png",
        "/data/local-files/?d=home/me/photos/local%20file.png": "local file.png",
        "http://localhost:8080/data/upload/1/ffffffff-web.png": "web.png",
    }
    tasks = [task(image=name, own_id=number) for number, name in enumerate([*names, "s3://bucket/else.png"])]
    entries, told = read_images(opened(write(tmp_path, tasks), "photos"))
    assert [entry.uri for entry in entries] == [
        *(f"{tmp_path}/photos/{name}" for name in names.values()),
        "s3://bucket/else.png",
    ]
    assert {entry.status for entry in entries} == {"listed"}
    assert "found by their end" in told


def test_urls_need_no_folder(tmp_path: Path) -> None:
    tasks = [task(image=name, own_id=number) for number, name in enumerate(("s3://b/a.png", "https://h/b.png?x=1"))]
    reader = opened(write(tmp_path, tasks))
    entries, told = read_images(reader)
    assert [entry.uri for entry in entries] == ["s3://b/a.png", "https://h/b.png?x=1"]
    assert told.startswith(f"annotated in {tmp_path}/export.json;")


def test_a_task_may_have_several_images(tmp_path: Path, picture: Picture) -> None:
    names = [f"{letter}.png" for letter in "abcdef"]
    images(picture, tmp_path, *names)
    left, right = {**region("l", **BOX), "to_name": "left"}, {**region("r", **BOX), "source": "$right"}
    pages = [{**region(f"p{page}", **BOX), "item_index": page, "to_name": "pages"} for page in (1, 0, 7)]
    tasks = [
        {
            "id": 1,
            "data": {"left": "a.png", "right": "b.png", "thumbnail": "f.png"},
            "annotations": [annotation(left, right)],
        },
        {"id": 2, "data": {"pages": ["c.png", "d.png"]}, "annotations": [annotation(*pages)]},
        {"id": 3, "data": {"text": "no image"}, "annotations": []},
        "no task",
    ]
    entries, told = read_images(opened(write(tmp_path, tasks)))
    assert [(entry.uri[-5:], [each.id for each in objects_of(entry)]) for entry in entries] == [
        ("a.png", ["l"]), ("b.png", ["r"]), ("c.png", ["p0"]), ("d.png", ["p1"]),
    ]  # fmt: skip
    assert "annotations of unknown images (1" in told
    assert "tasks without an image (1, such as task 3)" in told
    assert "tasks that are no objects (1)" in told


BROKEN: list[tuple[Json, str]] = [
    ({**BOX, "x": float("nan")}, "no number for x"),
    ({**BOX, "width": 0}, "box is empty"),
    ({**BOX, "height": -5}, "box is empty"),
    ({**BOX, "y": "2"}, "no number for y"),
    ({"points": [[1, 2], [3, 4]]}, "fewer than three points"),
    ({"points": [[1, 2], [3, 4], [5]]}, "not a list of points"),
    ({"points": 7}, "fewer than three points"),
    ({"rle": "abc"}, "brush mask is broken"),
    ({"rle": [1, 2, 3]}, "brush mask is broken"),
    ({"rle": [300] * 20}, "brush mask is broken"),
    ({"radiusX": 0, "radiusY": 1, "x": 5, "y": 5}, "box is empty"),
]


def test_broken_regions_are_objects_with_a_reason(tmp_path: Path, picture: Picture) -> None:
    images(picture, tmp_path, "a.png")
    regions = [region(f"r{number}", **value) for number, (value, _) in enumerate(BROKEN)]
    sizeless = {"id": "s", "type": "rectanglelabels", "value": BOX}
    huge = {**region("h", rle=[0, 255]), "original_width": 1e300, "original_height": 1e300}
    odd: list[Any] = [
        None,
        7,
        {"value": None},
        {"value": {}},
        {"id": [], "value": BOX},
        {"id": True, "type": 3, "value": {"x": 1}},
    ]
    tasks = [task(annotation(sizeless, huge)), task(annotation(*regions, *odd), image="./a.png", own_id=2)]
    path = write(tmp_path, tasks)
    entries, told = read_images(opened(path))
    assert "the size" not in told
    errors = {each.id: each.error for each in objects_of(entries[0])}
    assert "brush mask is broken" in errors["h"]
    # The image's size is what another region says.
    path = write(tmp_path, tasks[1:])
    entries, _ = read_images(opened(path))
    errors = {each.id: each.error for each in objects_of(entries[0])}
    for number, (_, expected) in enumerate(BROKEN):
        assert expected in errors[f"r{number}"]
    # And where none does, what the file of the image says, if it can be read.
    path = write(
        tmp_path, [task(annotation(sizeless)), task(annotation(sizeless), image="s3://bucket/b.png", own_id=2)]
    )
    entries, _ = read_images(opened(path))
    assert objects_of(entries[0])[0].edges == pytest.approx((0.8, 1.2, 3.2, 3.6))
    assert "whose size it does not say" in objects_of(entries[1])[0].error


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("[", "cannot be read as JSON"),
        ("[]", "not an export of Label Studio"),
        ("{}", "not an export of Label Studio"),
        ("[7]", "not an export of Label Studio"),
        ("[" * 100_000, "cannot be read as JSON"),
        ('[{"data": {}, "annotations": []}]', "lists no images"),
        ('[{"data": {"image": "gone.png"}, "annotations": []}]', "its images, such as gone.png"),
    ],
    ids=["cut off", "empty", "object", "numbers", "deep", "no images", "missing images"],
)
def test_other_files_are_refused_in_a_line(tmp_path: Path, content: str, expected: str) -> None:
    (tmp_path / "export.json").write_text(content)
    with pytest.raises(SourceError, match=expected) as caught:
        opened(tmp_path / "export.json")
    assert "\n" not in str(caught.value)


def test_an_id_may_hold_what_separates_it_from_its_image(tmp_path: Path, picture: Picture) -> None:
    images(picture, tmp_path, "a#1.png")
    tasks = [task(annotation(region("x#y", **BOX), region("x_y", **BOX)), image="a#1.png")]
    source, entries = open_and_list(write(tmp_path, tasks), objects=True)
    assert [entry.uri for entry in entries] == [f"{tmp_path}/a#1.png#{own_id}" for own_id in ("x_y", "x_y.2")]
    assert contents(source, entries) == [picture(0)] * 2


def test_an_image_inside_the_task_is_a_rejected_row(tmp_path: Path, picture: Picture) -> None:
    images(picture, tmp_path, "a.png")
    tasks = [task(), task(image="data:image/png;base64,iVBORw0KGgo=", own_id=2), task(image="a\0b.png", own_id=3)]
    entries, _ = read_images(opened(write(tmp_path, tasks)))
    assert [entry.status for entry in entries] == ["listed", "missing", "bad-name"]
    assert "save it as a file" in entries[1].error
