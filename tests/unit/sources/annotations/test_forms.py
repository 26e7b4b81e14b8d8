"""One annotated dataset is the same dataset in every form."""

import io
from pathlib import Path

import numpy as np
import pytest
from annotated import covered, objects_of, read_images
from annotated_forms import FORMS, WITHOUT_OUTLINES, AnnotatedImage, as_coco, as_hugging_face
from open_and_list import open_and_list
from PIL import Image, ImageDraw

from gapscope.sources import open_source
from gapscope.sources.annotations.annotation import Annotation, Outline
from gapscope.sources.annotations.reader import AnnotationReader
from gapscope.sources.annotations.shapes import polygon_edges
from gapscope.sources.annotations.source import AnnotatedImages

SIZE = (64, 48)
POLYGONS = {
    "square": (4.0, 5.0, 20.0, 5.0, 20.0, 21.0, 4.0, 21.0),
    "triangle": (30.0, 8.0, 60.0, 12.0, 40.0, 40.0),
    "kite": (8.0, 28.0, 16.0, 24.0, 24.0, 28.0, 16.0, 46.0),
}


def annotated_set() -> list[AnnotatedImage]:
    """Eight images with none to three objects, each of a color of its own."""
    images = []
    for number in range(8):
        picture = Image.new("RGB", SIZE, (30 * number, 90, 120))
        names = [name for place, name in enumerate(POLYGONS) if number >> place & 1]
        for name in names:
            ImageDraw.Draw(picture).polygon(POLYGONS[name], fill=(200, 40 * len(name) % 256, number))
        objects = (
            Annotation("", name, polygon_edges(POLYGONS[name]), outline=Outline((POLYGONS[name],))) for name in names
        )
        images.append(AnnotatedImage(f"{number}.png", picture, tuple(objects)))
    return images


def opened(location: str) -> AnnotationReader:
    source = open_source("real", location)
    assert isinstance(source, AnnotatedImages)
    return source.reader


@pytest.mark.parametrize("form", FORMS)
def test_every_form_holds_the_same_objects(tmp_path: Path, form: str) -> None:
    images = annotated_set()
    reader = opened(FORMS[form](images, tmp_path))
    entries, _ = read_images(reader)
    assert len(entries) == len(images)
    for entry, image in zip(entries, images, strict=True):
        assert entry.annotations is not None
        found = [each for each in objects_of(entry) if not each.crowd]
        if found or not form.startswith(("label-studio", "yolo")):
            assert (entry.annotations.width, entry.annotations.height) == SIZE
        assert [each.category for each in found] == [each.category for each in image.objects]
        for each, own in zip(found, image.objects, strict=True):
            assert each.edges == pytest.approx(own.edges, abs=0.5)
            if form in WITHOUT_OUTLINES:
                assert each.outline is None
                continue
            assert each.outline is not None
            assert own.outline is not None
            assert same_area(each.outline, own.outline)


def test_corners_are_read_as_sizes_are(tmp_path: Path) -> None:
    images = annotated_set()
    found = [
        [
            own.annotations and own.annotations.objects
            for own in read_images(opened(as_hugging_face(images, folder, corners=is_corners)))[0]
        ]
        for folder, is_corners in ((tmp_path / "sizes", False), (tmp_path / "corners", True))
    ]
    assert found[0] == found[1]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_the_source_that_coco_is(tmp_path: Path, form: str) -> None:
    images = annotated_set()
    mask = form not in WITHOUT_OUTLINES
    coco = open_source("real", as_coco(images, tmp_path / "coco"), objects=True, mask=mask)
    location = FORMS[form](images, tmp_path / "other")
    source, objects = open_and_list(location, objects=True)
    cut_out = list(open_source("real", location, objects=True, mask=mask).entries())
    for expected, entry, own in zip(coco.entries(), objects, cut_out, strict=True):
        assert entry.values["category"] == expected.values["category"]
        assert entry.box is not None
        assert expected.box is not None
        assert own.box is not None
        assert entry.box[:6] == pytest.approx(expected.box[:6], abs=0.6)
        assert same_pixels(source.read(entry), coco.read(expected))
        if mask:
            assert own.box.outline is not None
            assert expected.box.outline is not None
            assert same_area(own.box.outline, expected.box.outline)
    whole, entries = open_and_list(location)
    for entry, image in zip(entries, images, strict=True):
        assert entry.box is None
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(whole.read(entry)))), np.asarray(image.picture))


def same_area(outline: Outline, other: Outline) -> bool:
    """Fractions of an image are rounded, so that a pixel on the edge may be inside or outside."""
    return bool((covered(outline, *SIZE) != covered(other, *SIZE)).mean() < 0.02)


def same_pixels(data: bytes, other: bytes) -> bool:
    return np.array_equal(np.asarray(Image.open(io.BytesIO(data))), np.asarray(Image.open(io.BytesIO(other))))
