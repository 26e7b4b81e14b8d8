"""What the exports hold, as the test of the exports has written it beside them."""

import json
from pathlib import Path

Boxes = dict[str, list[tuple[str, float, float, float, float]]]
"""Of each image, by uri: category, left, top, right and bottom in pixels."""

_TOLERANCE = 0.02


def expected_boxes(folder: str) -> Boxes:
    """Return what every image of an export has."""
    content = json.loads((Path(folder).parent / "expected.json").read_text(encoding="utf-8"))
    return {uri: [tuple(box) for box in boxes] for uri, boxes in content.items()}


def check_boxes(folder: str, found: Boxes, tolerance: float = _TOLERANCE) -> None:
    """Check that a tool finds the images and boxes that the export holds, by their uri or `original_name`."""
    expected = expected_boxes(folder)
    assert len(found) == len(expected), (sorted(found), sorted(expected))
    for uri, boxes in expected.items():
        own = found[uri] if uri in found else found[_short(uri)]
        assert len(own) == len(boxes), (uri, own, boxes)
        for (name, *edges), (other, *others) in zip(sorted(own), sorted(boxes), strict=True):
            assert name == other, (uri, name, other)
            assert max(abs(a - b) for a, b in zip(edges, others, strict=True)) <= tolerance, (uri, edges, others)
    print(f"{len(found)} images with {sum(map(len, found.values()))} boxes, all as they are", flush=True)


def original_name(path: str) -> str:
    """Return the dataset and the name that an image had before it was copied into images/DATASET/ROW-NAME."""
    return f"{Path(path).parent.name}/{Path(path).name.partition('-')[2]}"


def _short(uri: str) -> str:
    # The datasets are folders that hold a folder of images.
    return f"{Path(uri).parents[1].name}/{Path(uri).name}"
