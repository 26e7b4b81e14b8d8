"""Which kinds of two runs are one: those that share images, and those that the user calls the same."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from gapscope.run import Run
from gapscope.store.gaps import Gap, read_members
from gapscope.store.index import read_index, read_uris

NETWORK = "network"
"""The source of a name that is a guess: the same one need not be the same kind."""

Kinds = Mapping[str, Gap]
"""Kinds of a run by id, the worst first."""

_SAME_KIND = 0.3
"""How much of the smaller of two kinds lies in the other where both are one."""


def match(candidates: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return which kind of the earlier run a kind of the later one was, from pairs of both, the likeliest first."""
    earlier: dict[str, str] = {}
    for one, other in candidates:
        if other not in earlier and one not in earlier.values():
            earlier[other] = one
    return earlier


def shared_images(before: Run, after: Run, first: Kinds, second: Kinds) -> dict[tuple[str, str], int]:
    """Return how many images two kinds of one ordered pair share, of those that share enough; the most first.

    `gapscope.diff.diff_kinds` says what is enough, and by what an image is known.

    Args:
        before: the earlier run.
        after: the later run.
        first: kinds of the earlier run, by id.
        second: kinds of the later run.

    Returns:
        Numbers of images by the kinds' ids in both runs.
    """
    queries = {gap["query"] for gap in first.values()} & {gap["query"] for gap in second.values()}
    if not queries:
        return {}
    prefixes = {query: _prefixes(before, after, query) for query in queries}
    images = [
        _images(run, kinds, {query: both[number] for query, both in prefixes.items()})
        for number, (run, kinds) in enumerate(((before, first), (after, second)))
    ]
    sizes = [Counter(own["kind"]) for own in images]
    both = images[0].merge(images[1], on=["query", "reference", "image", "bytes"])
    shared = Counter(zip(both["kind_x"], both["kind_y"], strict=True))
    enough = [ids for ids, n in shared.items() if n >= _SAME_KIND * min(sizes[0][ids[0]], sizes[1][ids[1]])]
    order = [*first], [*second]
    enough.sort(key=lambda ids: (-shared[ids], order[0].index(ids[0]), order[1].index(ids[1])))
    return {ids: shared[ids] for ids in enough}


def same_names(first: Kinds, second: Kinds) -> list[tuple[str, str]]:
    """Return the kinds of one ordered pair that the user calls the same."""
    return [
        (one, other)
        for one, gap in first.items()
        for other, later in second.items()
        if gap["name"] and gap["name_source"] != NETWORK and _called(gap) == _called(later)
    ]


def _called(gap: Gap) -> tuple[str, ...]:
    return gap["query"], gap["reference"], gap["name"], gap["name_source"]


def _images(run: Run, kinds: Kinds, prefixes: Mapping[str, int]) -> pd.DataFrame:
    """Return kind, query, reference and image of every image of kinds; an image is its uri without its prefix.

    What was rendered again has the old names and other bytes, so an image has its size beside its name.
    """
    members = read_members(run.store).to_pandas()
    members = members[members["kind"].isin([*kinds]) & members["dataset"].isin([*prefixes])]
    sizes = {
        name: pc.fill_null(read_index(run.store, name, ["encoded_bytes"])["encoded_bytes"], -1).to_numpy()
        for name in prefixes
    }
    images = {
        "kind": members["kind"],
        "query": members["dataset"],
        "reference": [kinds[kind]["reference"] for kind in members["kind"]],
        "image": [uri[prefixes[name] :] for name, uri in zip(members["dataset"], members["uri"], strict=True)],
        "bytes": [sizes[name][row] for name, row in zip(members["dataset"], members["row"], strict=True)],
    }
    return pd.DataFrame(images).drop_duplicates()


def _prefixes(before: Run, after: Run, dataset: str) -> tuple[int, int]:
    """Return how many characters of a dataset's uris say in either run where it lies, and not which image it is."""
    uris = [read_uris(run.store, dataset) for run in (before, after)]
    lengths = [_folder_length(own) for own in uris]
    below = [pc.utf8_slice_codeunits(own, length) for own, length in zip(uris, lengths, strict=True)]
    # Where only parts of it were added or removed, the folder that holds all of it may be another.
    if _in_common(below) > _in_common(uris):
        return lengths[0], lengths[1]
    return 0, 0


def _in_common(uris: Sequence[pa.Array]) -> int:
    return int(pc.sum(pc.is_in(uris[0], uris[1])).as_py() or 0)


def _folder_length(uris: pa.Array) -> int:
    """Return how long the path of the folder is that holds all images, with the slash behind it; 0 for none."""
    # All uris lie between the first and the last one, so they begin with what these two have in common.
    folders = [uri.split("/")[:-1] for uri in pc.min_max(uris).as_py().values()]
    shared = takewhile(lambda parts: parts[0] == parts[1], zip(*folders, strict=False))
    return sum(len(part) + 1 for part, _ in shared)
