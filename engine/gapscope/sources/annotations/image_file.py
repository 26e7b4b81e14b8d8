"""Reading the image file that an entry of annotations names."""

from gapscope.sources.entry import Entry
from gapscope.sources.files import read_file
from gapscope.sources.folder import check_file_unchanged
from gapscope.urls import is_url


def read_image_file(entry: Entry) -> bytes:
    """Return the bytes of an image file, given the entry of the image or of an object in it.

    Args:
        entry: whose uri is that of the file, or that with `#` and the id of an object behind it.

    Raises:
        Rejected: the file has changed since it was listed, or cannot be read.

    Example:
        >>> folder = "photos"
        >>> read_image_file(Entry(f"{folder}/00.png#17", offset=0))[1:4]
        b'PNG'
    """
    path = entry.uri if entry.offset < 0 else entry.uri.rpartition("#")[0]
    if not is_url(path):
        check_file_unchanged(Entry(path, entry.bytes, entry.mtime_ns))
    return read_file(path)
