"""Label files beside images: YOLO's, Pascal VOC's and KITTI's, as people have them."""

from pathlib import Path

import pytest
from annotated import objects_of
from PIL import Image

from gapscope.errors import SourceError
from gapscope.sources import Entry, open_source
from gapscope.sources.annotations.annotation import Annotation
from gapscope.sources.notes import ListingNotes


def save(path: Path, size: tuple[int, int] = (100, 50)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (len(path.name), 90, 30)).save(path)
    return path


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def listed(location: object, *, objects: bool = False) -> tuple[list[Entry], str]:
    source, notes = open_source("real", str(location), objects=objects), ListingNotes()
    entries = list(source.entries(notes))
    assert list(source.entries()) == entries
    assert all(source.read(entry) for entry in entries if entry.status == "listed")
    return entries, f"{source.origin}; {notes.describe()}"


def objects_in(folder: Path, label: str, names: str = "[cat, dog]") -> tuple[tuple[Annotation, ...], str]:
    save(folder / "images/a.png")
    write(folder / "labels/a.txt", label)
    write(folder / "data.yaml", f"train: images\nnames: {names}\n")
    (entry,), told = listed(folder / "data.yaml")
    return objects_of(entry), told


def test_boxes_turned_boxes_and_polygons_of_yolo(tmp_path: Path) -> None:
    lines = [
        "0 0.5 0.5 0.2 0.4",
        "1 0.5 0.5 0.2 0.4 0.93",
        "1 0.1 0.1 0.3 0.1 0.3 0.5 0.1 0.5",
        "0 0.1 0.1 0.3 0.1 0.2 0.5",
        "",
    ]
    objects, _ = objects_in(tmp_path, "\n".join(lines))
    assert [each.category for each in objects] == ["cat", "dog", "dog", "cat"]
    assert [each.edges for each in objects] == [
        pytest.approx(edges) for edges in ((40, 15, 60, 35), (40, 15, 60, 35), (10, 5, 30, 25), (10, 5, 30, 25))
    ]
    (*_, square, triangle), _ = listed(tmp_path, objects=True)
    assert square.box is not None
    assert (square.box.image_width, square.box.image_height) == (100, 50)
    (*_, cut) = open_source("real", str(tmp_path), objects=True, mask=True).entries()
    assert cut.box is not None
    assert cut.box.outline is not None
    assert cut.box.outline.polygons[0] == pytest.approx((10, 5, 30, 5, 20, 25))
    assert triangle.uri.endswith("a.png#4")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("0 0.5 0.5 0.2", "not a class and at least four numbers"),
        ("0 0.5 x 0.2 0.4", "not a class and at least four numbers"),
        ("0 0.5 nan 0.2 0.4", "not a class and at least four numbers"),
        ("0 50 25 20 20", "no fractions of the image"),
        ("0 0.5 0.5 0 0.4", "the box is empty"),
        ("0 1e999 0.5 0.2 0.4", "not a class"),
        ("\x00\x00", "not a class"),
    ],
)
def test_a_line_that_is_no_label_is_an_object_with_a_reason(tmp_path: Path, line: str, reason: str) -> None:
    (own,), _ = objects_in(tmp_path, line)
    assert own.edges is None
    assert reason in own.error
    (entry,), _ = listed(tmp_path, objects=True)
    assert (entry.status, entry.error) == ("bad-box", own.error)


def test_unknown_classes_and_broken_images_are_told(tmp_path: Path) -> None:
    (own,), told = objects_in(tmp_path, "7 0.5 0.5 0.2 0.4")
    assert own.category is None
    assert "classes that have no name, such as 7 (1 in all)" in told
    (tmp_path / "images/a.png").write_bytes(b"no image")
    (entry,), _ = listed(tmp_path / "data.yaml")
    assert "size" in objects_of(entry)[0].error


def test_every_image_is_listed_once_over_all_splits_and_a_split_can_be_chosen(tmp_path: Path) -> None:
    for split, names in (("train", "ab"), ("valid", "c")):
        for name in names:
            save(tmp_path / f"set/{split}/images/{name}.png")
            write(tmp_path / f"set/{split}/labels/{name}.txt", "0 0.5 0.5 0.2 0.4")
    write(tmp_path / "set/again.txt", "train/images/a.png\n./valid/images/c.png\nvalid/images/gone.png\n")
    splits = "train: ../train/images\nval: ../valid/images\ntest: again.txt\nnc: 1\nnames: ['cat']\n"
    write(tmp_path / "set/data.yaml", splits)
    entries, told = listed(tmp_path / "set")
    assert [Path(entry.uri).name for entry in entries] == ["a.png", "b.png", "c.png", "gone.png"]
    assert [len(objects_of(entry)) for entry in entries] == [1, 1, 1, 0]
    assert entries[3].status == "missing"
    assert "images of several splits (2" in told
    (only,), _ = listed(f"{tmp_path}/set/data.yaml::val")
    assert only.uri.endswith("c.png")
    with pytest.raises(SourceError, match="has no split minival; it has train, val, test"):
        listed(f"{tmp_path}/set/data.yaml::minival")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("just words", "it holds no keys"),
        ("names: [a]", "names neither train, val nor test"),
        ("train: nowhere\nnames: [a]", "its images are not there"),
        ("train: [", "cannot be read as YAML"),
        ("train: !!python/object/apply:os.system ['true']\nnames: [a]", "cannot be read as YAML"),
        ("train: https://host/images\nnames: [a]", "is not on this machine"),
    ],
)
def test_a_yaml_file_that_is_no_dataset_is_refused_in_a_line(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path / "data.yaml", text)
    with pytest.raises(SourceError, match=message) as caught:
        open_source("real", str(path))
    assert "\n" not in str(caught.value)


def test_a_folder_without_data_yaml_has_numbers_or_the_names_of_classes_txt(tmp_path: Path) -> None:
    save(tmp_path / "set/images/a.png")
    write(tmp_path / "set/labels/a.txt", "1 0.5 0.5 0.2 0.4")
    (entry,), told = listed(tmp_path / "set")
    assert objects_of(entry)[0].category == "1"
    assert "numbers as names" in told
    write(tmp_path / "set/labels/classes.txt", "cat\ndog\n")
    (entry,), told = listed(tmp_path / "set")
    assert objects_of(entry)[0].category == "dog"
    # A folder of images that has one called images is no dataset of YOLO's.
    save(tmp_path / "set/beside.png")
    assert len(listed(tmp_path / "set")[0]) == 2


def test_keypoints_behind_a_box_are_no_polygon(tmp_path: Path) -> None:
    objects_in(tmp_path, "0 0.5 0.5 0.2 0.4 0.45 0.5 0.55 0.5")
    write(tmp_path / "data.yaml", "train: images\nnames: [a]\nkpt_shape: [2, 2]\n")
    (entry,), _ = listed(tmp_path)
    assert objects_of(entry)[0].edges == pytest.approx((40, 15, 60, 35))


VOC_OBJECT = (
    "<object><name>cat</name><truncated>1</truncated><occluded>0</occluded><difficult>1</difficult>"
    "<bndbox><xmin>{}</xmin><ymin>3</ymin><xmax>20</xmax><ymax>30</ymax></bndbox>"
    "<part><name>head</name><bndbox><xmin>5</xmin><ymin>5</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></part></object>"
)


@pytest.mark.parametrize(("first", "left"), [(1, 0), (0, 0)])
def test_pixels_of_voc_count_from_one_unless_a_box_touches_zero(tmp_path: Path, first: int, left: int) -> None:
    save(tmp_path / "VOC2007/JPEGImages/a.png")
    save(tmp_path / "VOC2007/JPEGImages/b.png")
    write(tmp_path / "VOC2007/Annotations/a.xml", f"<annotation>{VOC_OBJECT.format(first)}</annotation>")
    write(tmp_path / "VOC2007/ImageSets/Main/train.txt", "a\n")
    entries, told = listed(tmp_path)
    assert [len(objects_of(entry)) for entry in entries] == [1, 0]
    (own,) = objects_of(entries[0])
    assert own.edges == (left, 2 if first else 3, 20, 30)
    assert (own.category, own.truncation, own.occlusion) == ("cat", 1.0, 0.0)
    assert f"count from {first}" in told
    assert len(listed(f"{tmp_path}/VOC2007::train")[0]) == 1
    with pytest.raises(SourceError, match=r"there is no list .*test\.txt"):
        listed(f"{tmp_path}/VOC2007::test")


def test_xml_beside_images_is_read_for_objects_alone(tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    write(tmp_path / "a.xml", f"<annotation>{VOC_OBJECT.format(5)}</annotation>")
    ((entry,), _), ((whole,), _) = listed(tmp_path, objects=True), listed(tmp_path)
    assert entry.uri == f"{tmp_path}/a.png#1"
    assert whole.annotations is None


@pytest.mark.parametrize(
    "text",
    [
        "<annotation><object><name>cat</name></object></annotation>",
        "<annotation><object><bndbox><xmin>a</xmin></bndbox></object></annotation>",
        (
            "<annotation><object><bndbox><xmin>9</xmin><ymin>9</ymin><xmax>3</xmax><ymax>3</ymax></bndbox></object>"
            "</annotation>"
        ),
        "<annotation><object>",
        '<!DOCTYPE a [<!ENTITY b "c">]><annotation/>',
        "no xml",
        "",
    ],
)
def test_broken_xml_of_voc_is_an_object_with_a_reason_or_told(tmp_path: Path, text: str) -> None:
    save(tmp_path / "JPEGImages/a.png")
    write(tmp_path / "Annotations/a.xml", text)
    (entry,), told = listed(tmp_path)
    if objects_of(entry):
        assert objects_of(entry)[0].error
    else:
        assert "XML files that cannot be read (1" in told


def test_kitti_has_truncation_occlusion_and_regions_to_ignore(tmp_path: Path) -> None:
    save(tmp_path / "training/image_2/000001.png")
    lines = [
        "Car 0.25 1 1.85 10.0 5.0 60.5 40.0 1.6 1.5 3.9 1.8 1.5 8.4 1.6",
        "Cyclist -1 3 1.85 10.0 5.0 60.5 40.0 1.6 1.5 3.9 1.8 1.5 8.4 1.6",
        "DontCare -1 -1 -10 1 1 9 9 -1 -1 -1 -1000 -1000 -1000 -10",
        "Van 0 0 1.85 nan 5.0 60.5 40.0",
        "Van 0 0",
    ]
    write(tmp_path / "training/label_2/000001.txt", "\n".join(lines))
    (entry,), _ = listed(tmp_path)
    assert entry.annotations is not None
    assert (entry.annotations.width, entry.annotations.height) == (100, 50)
    car, cyclist, ignored, *broken = objects_of(entry)
    assert (car.truncation, car.occlusion, car.edges) == (0.25, 0.5, (10, 5, 60.5, 40))
    assert (cyclist.truncation, cyclist.occlusion) == (None, None)
    assert ignored.crowd
    assert all("eight fields" in each.error for each in broken)
    objects, told = listed(tmp_path, objects=True)
    assert [each.status for each in objects] == ["listed", "listed", "bad-box", "bad-box"]
    assert "crowd annotations (1" in told
