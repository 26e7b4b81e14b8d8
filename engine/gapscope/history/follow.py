"""Follows kinds from version to version; one that vanished and comes back is the same kind."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gapscope.diff.matching import NETWORK
from gapscope.history.versions import VersionKind
from gapscope.progress import Task

APPEARED, VANISHED, CAME_BACK = "appeared", "vanished", "came back"

Shared = Callable[[int, int], Sequence[tuple[str, str, int]]]
"""Of an earlier and a later version: which kinds share images, by both ids, and how many."""


@dataclass(eq=False)
class FollowedKind:
    """A kind over versions.

    Attributes:
        id: in the history, such as `H1`.
        seen: the kind in each version that has it, by the version's number.
    """

    id: str
    seen: dict[int, VersionKind] = field(default_factory=dict)

    @property
    def last(self) -> int:
        """The number of the latest version that has it."""
        return max(self.seen)

    @property
    def latest(self) -> VersionKind:
        """The kind in that version, which it has its name of."""
        return self.seen[self.last]


def follow_kinds(
    versions: Sequence[Sequence[VersionKind]], shared: Shared, task: Task | None = None
) -> list[FollowedKind]:
    """Follow the kinds of versions, in the order in which they were first seen.

    Each version's kinds are matched, as `gapscope.diff.diff_kinds` does, with every earlier kind as it was in the
    latest version that had it: first those that share the most images, then those that the user gives the same name.

    Args:
        versions: the kinds of each version.
        shared: which kinds of two versions share images; asked only for versions that have kinds to match.
        task: is told of every version that is done.

    Example:
        >>> def cat(id):
        ...     return VersionKind(id=id, query="real", reference="synthetic", name="cat", name_source="folder",
        ...         sort="absent", groups=20, of_groups=200, row=None)
        >>> [kind.seen.keys() for kind in follow_kinds([[cat("K1")], [], [cat("K3")]], lambda before, after: [])]
        [dict_keys([0, 2])]
    """
    followed: list[FollowedKind] = []
    for version, own in enumerate(versions):
        kinds = {kind.id: kind for kind in own}
        earlier: dict[str, FollowedKind] = {}
        for candidate, kind_id in [*_sharing_images(kinds, followed, version, shared), *_same_names(kinds, followed)]:
            if kind_id not in earlier and candidate not in earlier.values():
                earlier[kind_id] = candidate
        for kind_id, kind in kinds.items():
            if kind_id not in earlier:
                earlier[kind_id] = FollowedKind(f"H{len(followed) + 1}")
                followed.append(earlier[kind_id])
            earlier[kind_id].seen[version] = kind
        if task is not None:
            task.advance(1)
    return followed


def _sharing_images(
    kinds: Mapping[str, VersionKind], followed: Sequence[FollowedKind], version: int, shared: Shared
) -> list[tuple[FollowedKind, str]]:
    """Return the earlier kinds that share images with kinds of a version, those that share the most first."""
    candidates = []
    pairs = {kind.pair for kind in kinds.values()}
    # Of equals, the one that was seen last.
    for last in sorted({each.last for each in followed if each.latest.pair in pairs}, reverse=True):
        as_last_seen = {each.latest.id: each for each in followed if each.last == last}
        candidates += [
            (count, as_last_seen[one], other)
            for one, other, count in shared(last, version)
            if one in as_last_seen and other in kinds
        ]
    candidates.sort(key=lambda candidate: -candidate[0])
    return [(one, other) for _, one, other in candidates]


def _same_names(
    kinds: Mapping[str, VersionKind], followed: Sequence[FollowedKind]
) -> Iterator[tuple[FollowedKind, str]]:
    """Yield the earlier kinds that the user gives the name of a kind of a version, those that were seen last first."""
    for each in sorted(followed, key=lambda each: -each.last):
        for kind_id, kind in kinds.items():
            if kind.name and kind.name_source != NETWORK and _called(kind) == _called(each.latest):
                yield each, kind_id


def _called(kind: VersionKind) -> tuple[str, ...]:
    return kind.query, kind.reference, kind.name, kind.name_source


def event(kind: FollowedKind, version: int, compared: Sequence[bool]) -> str:
    """Return what happened to a kind in a version: `appeared`, `vanished`, `came back`, or nothing.

    Nothing happens in the first version that compares the kind's pair, nor where a version does not compare it.

    Args:
        kind: the kind.
        version: the number of a version.
        compared: per version, whether it compares the kind's pair.
    """
    before = [earlier for earlier in range(version) if compared[earlier]]
    if not before or not compared[version]:
        return ""
    had, has = before[-1] in kind.seen, version in kind.seen
    if had == has:
        return ""
    if had:
        return VANISHED
    return CAME_BACK if any(earlier in kind.seen for earlier in before) else APPEARED
