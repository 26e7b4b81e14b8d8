"""SHA256SUMS beside files that carry no checksum of their own, as `sha256sum --check` reads it."""

import hashlib
from collections.abc import Iterable

from gapscope.store.atomic import write_text
from gapscope.store.location import Location

NAME = "SHA256SUMS"


def write_checksums(folder: Location, names: Iterable[str]) -> None:
    """Write the SHA-256 of files below a folder, named relative to it, to its SHA256SUMS."""
    lines = [f"{_sha256(folder, name)}  {name}\n" for name in sorted(names)]
    write_text(folder / NAME, "".join(lines))


def verify_checksums(folder: Location) -> tuple[int, dict[str, str]]:
    """Return how many files a folder's SHA256SUMS names, and what is wrong with which of them, by name.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is damaged.
    """
    faults = {}
    lines = (folder / NAME).read_text(encoding="utf-8").splitlines()
    if not lines:
        raise ValueError("it is empty")
    for line in lines:
        sha256, gap, name = line.partition("  ")
        if not gap or len(sha256) != 64:
            raise ValueError("a line is not a checksum and a name")
        try:
            if _sha256(folder, name) != sha256:
                faults[name] = "is not what was written: its SHA-256 differs"
        except FileNotFoundError:
            faults[name] = "is missing"
    return len(lines), faults


def _sha256(folder: Location, name: str) -> str:
    with folder.joinpath(*name.split("/")).open("rb") as file:
        digest = hashlib.sha256()
        while part := file.read(2**20):
            digest.update(part)
        return digest.hexdigest()
