"""Which form of annotations a JSON file holds, by its content."""

from gapscope.sources.annotations.label_studio.dataset import is_list_of_tasks, open_label_studio
from gapscope.sources.annotations.panoptic import is_panoptic, open_panoptic
from gapscope.sources.annotations.reader import AnnotationReader
from gapscope.sources.coco.annotation_file import read_annotations
from gapscope.sources.files import open_container

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def open_json_form(path: str, part: str | None, location: str) -> AnnotationReader | None:
    """Return the reader of a JSON file with Label Studio's tasks or panoptic segments; None if it should be COCO's.

    Args:
        path: path or URL of the file.
        part: the folder of the images; None to look for it beside the file.
        location: what the user gave, with absolute paths.

    Raises:
        SourceError: the file is of neither form and not COCO's, or its images are not where they are looked for.
    """
    with open_container(path) as file:
        head = file.read(2**16).removeprefix(_BYTE_ORDER_MARK).lstrip()
    # An object is never Label Studio's, and reading a large file twice would take long.
    if not head.startswith(b"{") and is_list_of_tasks(path):
        return open_label_studio(path, part, location)
    return open_panoptic(path, part, location) if is_panoptic(read_annotations(path)) else None
