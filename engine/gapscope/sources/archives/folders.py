"""Where images lie by their uris, which name an archive and its member, or a file."""

import pyarrow as pa
import pyarrow.compute as pc

from gapscope.sources.archives.members import MEMBER_SEPARATOR


def paths_in_archives(uris: pa.Array) -> pa.Array:
    """Return uris of archives' members without the archives; other uris as they are.

    Example:
        >>> paths_in_archives(pa.array(["/data/a.tar::cat/1.png", "/data/2.png"])).to_pylist()
        ['cat/1.png', '/data/2.png']
    """
    return pc.replace_substring_regex(uris, pattern=f"^.*{MEMBER_SEPARATOR}", replacement="")


def folders_of(uris: pa.Array) -> pa.Array:
    """Return the folder that each image lies in, or the archive if it lies in no folder of it; null for neither.

    Example:
        >>> folders_of(pa.array(["/data/cat/1.png", "a.tar::cat/2.png", "a.tar::3.png", "4.png"])).to_pylist()
        ['/data/cat', 'a.tar::cat', 'a.tar', None]
    """
    of_archive = pc.replace_substring_regex(uris, pattern=f"{MEMBER_SEPARATOR}[^/]*$", replacement="")
    of_file = pc.replace_substring_regex(uris, pattern=r"/[^/]*$", replacement="")
    folders = pc.if_else(pc.equal(of_archive, uris), of_file, of_archive)
    return pc.if_else(pc.equal(folders, uris), None, folders)
