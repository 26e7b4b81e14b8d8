"""A YOLO dataset of images and the boxes in them, as Ultralytics and others train on."""

from pathlib import Path

import yaml

from gapscope.errors import OptionError
from gapscope.export.annotated_images import AnnotatedImage, annotated_images, has_annotations
from gapscope.export.choice import ChosenImages
from gapscope.export.coco import UNKNOWN, category_numbers
from gapscope.export.image_files import ImageFiles
from gapscope.progress import Progress


def export_yolo(chosen: ChosenImages, folder: Path, progress: Progress) -> None:
    """Write data.yaml, images/ and labels/ with a line per box: class, and center and size as shares of the image.

    Images are copied, since YOLO looks for labels beside them. One that cannot be read is left out. Crowds are, too.

    Raises:
        OptionError: no dataset has annotations, or not one image can be read.
    """
    if not has_annotations(chosen.run, set(chosen.dataset)):
        raise OptionError(
            "none of these images has annotations, which is what YOLO's labels hold: coco, cvat and label-studio take "
            "images without",
            argument="to",
            value="yolo",
        )
    images = annotated_images(chosen)
    numbers = category_numbers(images)
    files = ImageFiles(chosen.run, folder / "images", progress)
    written = 0
    with progress.task("images", len(images), "image") as task:
        for image in images:
            path = files.write(image.dataset, image.row, image.entry)
            width, height = image.sized(path)
            is_good = path is not None and width > 0 and height > 0
            if is_good and path is not None:
                labels = folder / "labels" / path.relative_to(folder / "images").with_suffix(".txt")
                labels.parent.mkdir(parents=True, exist_ok=True)
                labels.write_text(_lines(image, width, height, numbers), encoding="utf-8")
            written += is_good
            task.advance(1, rejected=int(not is_good))
    if not written:
        raise OptionError(
            "not one of these images can be read, and YOLO's dataset holds them", argument="to", value="yolo"
        )
    names = {number: name for name, number in numbers.items()}
    content = {"path": ".", "train": "images", "val": "images", "names": names}
    (folder / "data.yaml").write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), encoding="utf-8")


def _lines(image: AnnotatedImage, width: int, height: int, numbers: dict[str, int]) -> str:
    lines = []
    for each in image.objects:
        if each.edges is None or each.crowd:
            continue
        # A box may reach beyond its image, which YOLO takes for a mistake.
        left, right = (min(max(edge, 0), width) / width for edge in each.edges[::2])
        top, bottom = (min(max(edge, 0), height) / height for edge in each.edges[1::2])
        if left < right and top < bottom:
            number = numbers[each.category or UNKNOWN]
            shares = ((left + right) / 2, (top + bottom) / 2, right - left, bottom - top)
            lines.append(f"{number} {' '.join(f'{value:.8f}' for value in shares)}\n")
    return "".join(lines)
