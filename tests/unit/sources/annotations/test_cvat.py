"""CVAT's XML as CVAT exports it, for images and for video, and as strangers write it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from annotated import covered, objects_of, read_images
from open_and_list import contents, open_and_list

from gapscope.errors import SourceError
from gapscope.sources import open_source
from gapscope.sources.annotations.annotation import Edges, Outline
from gapscope.sources.annotations.cvat.dataset import Cvat, open_cvat

Picture = Callable[[int], bytes]

META = """<version>1.1</version>
  <meta>
    <task>
      <id>5</id><name>drive</name><size>{size}</size><mode>{mode}</mode><flipped>False</flipped>
      <labels><label><name>car</name><type>any</type><attributes></attributes></label></labels>
      <segments><segment><id>5</id><start>0</start><stop>9</stop><url>http://localhost:8080/?id=5</url></segment></segments>
      <original_size><width>64</width><height>48</height></original_size>
    </task>
    <dumped>2018-09-25 16:05:07.134046+03:00</dumped>
  </meta>"""


def write(folder: Path, body: str, mode: str = "annotation") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "annotations.xml"
    meta = META.format(size=2, mode=mode)
    path.write_text(f'<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  {meta}\n{body}</annotations>\n')
    return path


def images(picture: Picture, folder: Path, *names: str) -> None:
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(picture(number))


def opened(path: Path, part: str | None = None) -> Cvat:
    return open_cvat(str(path), part, str(path) + ("" if part is None else f"::{part}"))


def image(name: str, *shapes: str, more: str = "") -> str:
    return f'<image id="0" name="{name}" {more} width="64" height="48">{"".join(shapes)}</image>\n'


def test_every_shape_that_is_an_object_is_read(tmp_path: Path, picture: Picture) -> None:
    images(picture, tmp_path / "images", "a.png", "b.png")
    car = '<box label="car" source="manual" occluded="1" xtl="2.50" ytl="4.00" xbr="10.25" ybr="9.00" z_order="0">'
    point = '<points label="1" occluded="0" outside="0" points="54.47,94.81"></points>'
    shapes = (
        f'{car}<attribute name="color">red</attribute></box>',
        '<box label="car" occluded="0" xtl="20.00" ytl="10.00" xbr="40.00" ybr="14.00" rotation="90.00" z_order="0"/>',
        '<polygon label="tree" occluded="0" points="5.00,5.00;25.00,5.00;15.00,30.50" z_order="1"></polygon>',
        '<ellipse label="sun" occluded="0" cx="40.00" cy="20.00" rx="10.00" ry="5.00" z_order="0"></ellipse>',
        '<mask label="bird" occluded="0" rle="1, 2, 1, 4" left="30" top="40" width="4" height="2" z_order="0"></mask>',
        '<polyline label="lane" occluded="0" points="1.00,2.00;3.00,4.00"></polyline>',
        f'<skeleton label="person" z_order="0">{point}{point}</skeleton>',
        '<tag label="good_frame" source="manual"></tag>',
    )
    path = write(tmp_path, image("a.png", *shapes) + image("b.png"))
    entries, told = read_images(opened(path))
    assert [entry.uri for entry in entries] == [f"{tmp_path}/images/{name}" for name in ("a.png", "b.png")]
    box, turned, polygon, sun, mask = objects_of(entries[0])
    assert [each.id for each in objects_of(entries[0])] == ["1", "2", "3", "4", "5"]
    assert (box.category, box.edges, box.occlusion, box.outline) == ("car", Edges(2.5, 4, 10.25, 9), 1, None)
    assert turned.edges == pytest.approx((28, 2, 32, 22))
    assert turned.occlusion == 0
    assert turned.outline is not None
    assert turned.outline.polygons[0] == pytest.approx((32, 2, 32, 22, 28, 22, 28, 2))
    assert (polygon.category, polygon.edges) == ("tree", Edges(5, 5, 25, 30.5))
    assert polygon.outline == Outline(((5, 5, 25, 5, 15, 30.5),))
    assert sun.edges == Edges(30, 15, 50, 25)
    assert (mask.category, mask.edges) == ("bird", Edges(30, 40, 34, 42))
    assert mask.outline is not None
    pixels = np.zeros((48, 64), bool)
    pixels[40:42, 30:34] = [[0, 1, 1, 0], [1, 1, 1, 1]]
    assert np.array_equal(covered(mask.outline, 64, 48), pixels)
    own = entries[0].annotations
    assert own is not None
    assert (own.width, own.height) == (64, 48)
    assert objects_of(entries[1]) == ()
    assert all(f"{what} annotations (1" in told for what in ("polyline", "skeleton", "tag"))
    assert opened(path).read(entries[1]) == picture(1)


def test_a_project_has_a_folder_per_subset_and_frames_without_a_suffix(tmp_path: Path, picture: Picture) -> None:
    images(picture, tmp_path / "images", "train/a.png", "val/a.png", "frame_000003.PNG", "default.png")
    path = write(
        tmp_path,
        image("a.png", more='subset="train" task_id="1"')
        + image("a.png", more='subset="val" task_id="2"')
        + image("frame_000003", more='subset="default"')
        + image("default.png", more='subset="default"')
        + image("default.png", more='subset="default" task_id="3"')
        + '<image id="9"></image><track id="0" label="car"/>',
    )
    entries, told = read_images(opened(path))
    found = [entry.uri.removeprefix(f"{tmp_path}/images/") for entry in entries]
    assert found == ["train/a.png", "val/a.png", "frame_000003.PNG", "default.png"]
    assert {entry.status for entry in entries} == {"listed"}
    assert "images listed twice (1" in told
    assert "images without a name (1" in told
    assert "tracks in a file that names images (1" in told
    assert "found by their end" not in told


def box(frame: int, left: int = 1, outside: int = 0) -> str:
    return (
        f'<box frame="{frame}" outside="{outside}" occluded="0" keyframe="1" xtl="{left}.00" ytl="2.00" '
        f'xbr="{left + 10}.00" ybr="12.00" z_order="0"></box>'
    )


def test_the_frames_of_a_video_are_the_images_that_are_there(tmp_path: Path, picture: Picture) -> None:
    images(picture, tmp_path / "images", *(f"frame_{number:06}.png" for number in (0, 5, 10, 15)), "cover.png")
    path = write(
        tmp_path,
        f'<track id="0" label="car" source="manual">{box(0)}{box(5, 2)}{box(10, 3, outside=1)}</track>'
        f'<track id="1" label="bus">{box(5, 30)}{box(20)}<points frame="0" points="1,2" outside="0"/></track>',
        mode="interpolation",
    )
    for part in (None, "images"):
        entries, told = read_images(opened(path, part))
        assert [entry.uri[-16:] for entry in entries] == [f"frame_{number:06}.png" for number in (0, 5, 10, 15)]
        found = [[(each.id, each.category, each.edges) for each in objects_of(entry)] for entry in entries]
        assert found[:2] == [
            [("0", "car", Edges(1, 2, 11, 12))],
            [("0", "car", Edges(2, 2, 12, 12)), ("1", "bus", Edges(30, 2, 40, 12))],
        ]
        assert found[2:] == [[], []]
        own = entries[3].annotations
        assert own is not None
        assert (own.width, own.height) == (64, 48)
        assert "annotated frames without an image (1, such as frame 20)" in told
        assert "points annotations (1" in told


def test_a_video_without_its_frames_or_of_several_tasks_is_refused(tmp_path: Path, picture: Picture) -> None:
    path = write(tmp_path, f'<track id="0" label="car">{box(0)}</track>')
    with pytest.raises(SourceError, match=r"no frames such as frame_000000.png; export it with images"):
        opened(path)
    images(picture, tmp_path, "frame_000000.png")
    assert len(read_images(opened(path))[0]) == 1
    path = write(tmp_path, "".join(f'<track id="0" task_id="{task}">{box(0)}</track>' for task in (1, 2)))
    with pytest.raises(SourceError, match="several tasks"):
        read_images(opened(path))


def test_an_export_is_read_where_it_is_unpacked(tmp_path: Path, picture: Picture) -> None:
    shape = '<box label="car" xtl="1" ytl="1" xbr="5" ybr="5"/>'
    images(picture, tmp_path / "export" / "images", "a.png")
    write(tmp_path / "export", image("a.png", shape))
    source, entries = open_and_list(tmp_path / "export", objects=True)
    assert [(entry.uri, entry.values["category"]) for entry in entries] == [
        (f"{tmp_path}/export/images/a.png#1", "car")
    ]
    assert contents(source, entries) == [picture(0)]
    # Whole images are all that are in a folder.
    assert len(open_and_list(tmp_path / "export")[1]) == 1
    with ZipFile(tmp_path / "export.zip", "w") as archive:
        for path in sorted((tmp_path / "export").rglob("*.*")):
            archive.write(path, path.relative_to(tmp_path / "export"))
    assert len(open_and_list(tmp_path / "export.zip")[1]) == 1
    with pytest.raises(SourceError, match=r"annotations.xml in it .* unpack the archive"):
        open_source("real", str(tmp_path / "export.zip"), objects=True)


BROKEN = {
    '<box label="a" xtl="1" ytl="2" xbr="3"/>': "box has no number for ybr",
    '<box label="a" xtl="1" ytl="2" xbr="nan" ybr="3"/>': "box has no number for xbr",
    '<box label="a" xtl="5" ytl="2" xbr="5" ybr="3"/>': "box is empty",
    '<box label="a" xtl="1" ytl="2" xbr="5" ybr="3" rotation="x"/>': "no number for rotation",
    '<polygon label="a" points="1,2;3,4"/>': "fewer than three points",
    '<polygon label="a" points="1,2;3,4;5"/>': "not a list of points",
    '<polygon label="a"/>': "not a list of points",
    '<polygon label="a" points="1,1;1,1;1,1"/>': "has no area",
    '<ellipse label="a" cx="1" cy="1" rx="0" ry="2"/>': "has no area",
    '<mask label="a" rle="0,99" left="0" top="0" width="4" height="2"/>': "mask is broken",
    '<mask label="a" rle="-1,2" left="0" top="0" width="4" height="2"/>': "mask is broken",
    '<mask label="a" rle="1,x" left="0" top="0" width="4" height="2"/>': "mask is broken",
    '<mask label="a" rle="99999999999999999999,1" left="0" top="0" width="4" height="2"/>': "mask is broken",
    '<mask label="a" rle="0,1" left="0" top="0" width="1e300" height="1e300"/>': "mask is broken",
    '<mask label="a" rle="" left="0" top="0" width="4" height="2"/>': "mask is empty",
    '<mask label="a" rle="8" left="0" top="0" width="4" height="2"/>': "mask is empty",
}


def test_broken_shapes_are_objects_with_a_reason(tmp_path: Path, picture: Picture) -> None:
    images(picture, tmp_path, "a.png")
    entries, _ = read_images(opened(write(tmp_path, image("a.png", *BROKEN))))
    for found, expected in zip(objects_of(entries[0]), BROKEN.values(), strict=True):
        assert expected in found.error
        assert found.category == "a"
    far = '<mask rle="0,8" left="1e300" top="-5" width="4" height="2"/><box xtl="-1e300" ytl="0" xbr="1e300" ybr="1"/>'
    entries, _ = read_images(opened(write(tmp_path, image("a.png", far))))
    assert [each.error for each in objects_of(entries[0])] == ["", ""]


BOMB = "".join(f'<!ENTITY e{level} "{f"&e{level - 1};" * 10}">' for level in range(1, 10))
REFUSED = {
    "bomb": (f'<!DOCTYPE a [<!ENTITY e0 "x">{BOMB}]><annotations>&e9;</annotations>', "has a document type"),
    "external": ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><annotations/>', "has a document type"),
    "entity": ("<annotations><image name='&x;'/></annotations>", "cannot be read as XML"),
    "empty": ("", "cannot be read as XML"),
    "text": ("no XML", "cannot be read as XML"),
    "cut off": ("<annotations><image id='0'", "cannot be read as XML"),
    "deep": ("<annotations>" + "<a>" * 10_000, "nested more than"),
    "encoding": ('<?xml version="1.0" encoding="nonsense"?><annotations/>', "cannot be read as XML"),
    "no images": ("<annotations><version>1.1</version></annotations>", "lists no images"),
    "VOC": ("<annotation><object/></annotation>", "Pascal VOC"),
    "other": ("<svg><image/></svg>", "not CVAT's"),
    "missing images": ("<annotations><image name='gone.png'/></annotations>", "its images, such as gone.png"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_other_files_are_refused_in_a_line(tmp_path: Path, case: str) -> None:
    content, expected = REFUSED[case]
    (tmp_path / "annotations.xml").write_text(content)
    with pytest.raises(SourceError, match=expected) as caught:
        opened(tmp_path / "annotations.xml")
    assert "\n" not in str(caught.value)


def test_names_that_lead_out_are_rejected_rows(tmp_path: Path, picture: Picture) -> None:
    images(picture, tmp_path, "secret.png", "export/images/a.png")
    names: Sequence[str] = ("a.png", "../../secret.png", "/etc/hostname.png", "gone.png")
    path = write(tmp_path / "export", "".join(map(image, names)))
    entries, _ = read_images(opened(path, "images"))
    assert [entry.status for entry in entries] == ["listed", "bad-name", "bad-name", "missing"]
