"""How a kind stands at every level: how much of it the reference has, and what sort of gap that makes it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gapscope.compare.content import content_seen
from gapscope.compare.sample import sample
from gapscope.kinds.grouping import most_frequent
from gapscope.kinds.nominations import LevelList, Nominations, OfGroups
from gapscope.neighbors.embedding_view import open_view
from gapscope.settings import Reading
from gapscope.store.datasets import Pair
from gapscope.store.gaps import Sort
from gapscope.store.groups import ImageGroups
from gapscope.store.neighbors import read_group_distances, read_group_indices, read_group_neighbor_rows
from gapscope.store.run_store import RunStore

ABSENT = 0.05
"""Of a kind's counterparts in the reference, for its size there, the share below which it is absent."""
PRESENT = 0.5
"""The share from which on it is there, and differs in another way."""

_OUTSIDE = 0.8
_NEAR = 1.3
_CLAIMED_BY = 5
_MIN_ASKED, _MAX_ASKED = 500, 100_000
_MAX_SEEING = 3
_SEES = 0.9
_MIN_RANGE = 0.01
_SHOWS = 1 / 3


@dataclass(frozen=True, kw_only=True)
class LevelOrder:
    """Which levels of a dataset are fine and which coarse, by how much content they see.

    Attributes:
        seen: per level, what `gapscope.compare.content.content_seen` measures.
        content: the levels that see at least 90% of what the best one sees.
        fine: the levels that see less than the middle between the least and the most; empty where there is no order.
        coarse: the other levels; empty where there is no order.
    """

    seen: Mapping[str, float]
    content: Sequence[str]
    fine: Sequence[str]
    coarse: Sequence[str]


def level_order(run: RunStore, dataset: str, groups: ImageGroups, reading: Reading) -> LevelOrder:
    """Measure which levels of a dataset are fine and which coarse.

    Levels of one stride, such as the blocks of a transformer, have no order of scale, and neither have levels that all
    see the same. Vectors from elsewhere, of no known stride, are neither fine nor coarse.
    """
    levels = run.levels
    if len(levels) < 2:
        return LevelOrder(seen=dict.fromkeys(levels, 1.0), content=levels, fine=(), coarse=())
    seen = {}
    for level in levels:
        judge = next(other for other in reversed(levels) if other != level)
        seen[level] = content_seen(run, level, dataset, groups, open_view(run, dataset, judge, reading), reading)
    content = [level for level in levels if seen[level] >= _SEES * max(seen.values())]
    strides = {level.name: level.stride for level in run.record.model.levels if level.stride}
    ordered = {level: seen[level] for level in strides}
    least, most = min(ordered.values(), default=0.0), max(ordered.values(), default=0.0)
    if len(set(strides.values())) < len(strides) or most - least < _MIN_RANGE:
        return LevelOrder(seen=seen, content=content, fine=(), coarse=())
    coarse = [level for level in ordered if ordered[level] >= (least + most) / 2]
    return LevelOrder(seen=seen, content=content, fine=[name for name in ordered if name not in coarse], coarse=coarse)


@dataclass(frozen=True, kw_only=True)
class LevelEvidence:
    """How a kind stands at a level, in one reading.

    Attributes:
        listed: share of its groups that the level lists.
        lacking: what is missing of the reference among the nearest of its images: 0 where there is as much of it as
            the datasets' sizes say, 1 where there is none.
        outside: share of its groups that lie outside of 95% of the reference.
        counterparts: groups of the reference whose nearest in the query are mostly of this kind, for each that there
            would be if it were as frequent there; None where this was not counted, at levels that see little content.
        near: the same of those that are about as near to the kind as its own images are to each other.
    """

    listed: float
    lacking: float
    outside: float
    counterparts: float | None = None
    near: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Profile:
    """How a kind stands at every level, in the reading that lists most of it.

    Attributes:
        reading: which one that is.
        readings: the readings that list any of it.
        levels: the levels at which it shows: those that list at least a third of it, or else the one that lists most.
        evidence: per level.
    """

    reading: Reading
    readings: Sequence[Reading]
    levels: Sequence[str]
    evidence: Mapping[str, LevelEvidence]


def profile_kinds(
    run: RunStore,
    pair: Pair,
    nominations: Nominations,
    kinds: Sequence[NDArray[np.int64]],
    order: LevelOrder,
    reference: ImageGroups,
) -> list[Profile]:
    """Return how each kind of a pair stands at every level.

    Args:
        run: the run.
        pair: of datasets.
        nominations: what the levels list of it.
        kinds: numbers of each kind's groups, ascending.
        order: of the query's levels.
        reference: the reference's groups.
    """
    profiles = _profiles(nominations, kinds)
    # The levels that see most are enough for a median.
    seeing = sorted(order.content, key=lambda level: order.seen[level], reverse=True)[:_MAX_SEEING]
    for reading in nominations.readings:
        own = [number for number, profile in enumerate(profiles) if profile.reading == reading]
        if not own:
            continue
        for level in seeing:
            counted = _counterparts(
                run, pair, nominations, [kinds[number] for number in own], reference, level, reading
            )
            for number, (counterparts, near) in zip(own, counted, strict=True):
                evidence = dict(profiles[number].evidence)
                evidence[level] = replace(evidence[level], counterparts=counterparts, near=near)
                profiles[number] = replace(profiles[number], evidence=evidence)
    return profiles


def _profiles(nominations: Nominations, kinds: Sequence[NDArray[np.int64]]) -> list[Profile]:
    """Return how each kind stands at every level, but for its counterparts."""
    profiles, listed = [], []
    for members in kinds:
        by_reading: dict[Reading, float] = {}
        highest: dict[str, float] = {}
        for own in nominations.nominating:
            share = len(own.find(members)) / len(members)
            by_reading[own.reading] = by_reading.get(own.reading, 0.0) + share
            highest[own.level] = max(highest.get(own.level, 0.0), share)
        shows = min(_SHOWS, max(highest.values()))
        profiles.append(
            Profile(
                # What style aside lists is content, whatever it looks like.
                reading=max(by_reading, key=lambda name: (by_reading[name], name == "style-aside")),
                readings=[name for name in ("as-is", "style-aside") if by_reading.get(name)],
                levels=[level for level, share in highest.items() if share >= shows],
                evidence={},
            )
        )
        listed.append(highest)
    evidence: list[dict[str, LevelEvidence]] = [{} for _ in kinds]
    for level in nominations.levels:
        for reading in dict.fromkeys(profile.reading for profile in profiles):
            of_level = nominations.lists[level, reading]
            of_groups = of_level.of_groups()
            for number, members in enumerate(kinds):
                if profiles[number].reading == reading:
                    share = listed[number].get(level, 0.0)
                    evidence[number][level] = _evidence(nominations, of_level, of_groups, members, share)
    return [replace(profile, evidence=own) for profile, own in zip(profiles, evidence, strict=True)]


def _evidence(
    nominations: Nominations, of_level: LevelList, of_groups: OfGroups, members: NDArray[np.int64], listed: float
) -> LevelEvidence:
    expected = nominations.references / max(1, nominations.references + of_level.tests - 1)
    share = float(of_groups.from_reference[members].mean()) / max(1, of_level.k_local)
    return LevelEvidence(
        listed=listed,
        lacking=float(np.clip(1 - share / max(expected, 1e-9), 0, 1)),
        outside=float(of_groups.outside[members].mean()),
    )


def _counterparts(
    run: RunStore,
    pair: Pair,
    nominations: Nominations,
    kinds: Sequence[NDArray[np.int64]],
    reference: ImageGroups,
    level: str,
    reading: Reading,
) -> list[tuple[float, float]]:
    """Return the counterparts of each kind in the reference, for each that there would be; all, and the near ones.

    Only what is among the nearest of a kind can be a counterpart. Of large kinds a sample of images is asked for its
    nearest. With 30 for each image it finds nearly all counterparts, unless the kind is far more frequent there.
    """
    rows = nominations.groups.representative_rows
    number = np.full(int(rows[-1]) + 1, -1, np.int64)
    for kind, members in enumerate(kinds):
        number[rows[members]] = kind
    most, random = max(_MIN_ASKED, _MAX_ASKED // len(kinds)), np.random.default_rng(0)
    asked = np.sort(rows[np.concatenate([sample(members, most, random) for members in kinds])])
    there = read_group_indices(run, level, pair, asked, reading)
    own = read_group_distances(run, level, Pair(pair.query, pair.query), asked, reading)
    candidates = np.unique(there[there >= 0])
    back, nearest = read_group_neighbor_rows(run, level, pair.reversed, candidates, reading)
    back, nearest = back[:, :_CLAIMED_BY], nearest[:, :_CLAIMED_BY]
    claimed_by, distance = _claims(np.where(nearest >= 0, number[np.maximum(nearest, 0)], -1), back)
    every = np.bincount(claimed_by[claimed_by >= 0], minlength=len(kinds))
    spacing = np.full(len(kinds), np.inf)
    if own.shape[1]:
        spacing = np.array([np.median(own[number[asked] == kind, 0]) for kind in range(len(kinds))])
    is_near = (claimed_by >= 0) & (distance <= _NEAR * spacing[np.maximum(claimed_by, 0)])
    near = np.bincount(claimed_by[is_near], minlength=len(kinds))
    expected = np.array([len(members) for members in kinds]) / len(nominations.groups) * len(reference)
    return list(zip((every / expected).tolist(), (near / expected).tolist(), strict=True))


def _claims(kinds: NDArray[np.int64], distances: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return, for images of the reference, the kind that most of their nearest are of, -1 for none, and its distance.

    Args:
        kinds: (b, k) the kind of each of an image's nearest in the query, -1 for none.
        distances: (b, k) their distances.
    """
    most, votes = most_frequent(kinds)
    claimed = np.where(votes > kinds.shape[1] / 2, most, -1)
    own = (kinds == claimed[:, None]) & (claimed >= 0)[:, None]
    return claimed, np.where(own, distances, np.inf).min(axis=1, initial=np.inf)


def sort_of(profile: Profile, order: LevelOrder, *, here: bool) -> Sort:
    """Return what sort of gap a kind is.

    - It has a counterpart in the reference: at the levels that see content, half as many images as its frequency would
      ask for, or more, have their nearest in it, and it does not lie outside of everything. Then it looks different
      where more is lacking at the fine levels than at the coarse ones, and is arranged differently otherwise. Levels
      without an order do not tell these apart: it is called rare.
    - It has one in twenty or more, as near as its own images are to each other: it is rare.
    - Else it is absent, or only here, where the query is the dataset that is held against the others.

    Args:
        profile: of the kind.
        order: of the query's levels.
        here: whether a kind that the reference lacks is called `only-here`.
    """
    seeing = [own for own in profile.evidence.values() if own.counterparts is not None]
    counterparts = float(np.median([own.counterparts for own in seeing]))
    near = float(np.median([own.near for own in seeing]))
    outside = float(np.median([own.outside for own in seeing]))
    if counterparts >= PRESENT and outside < _OUTSIDE:
        if not order.fine:
            return "rare"
        fine, coarse = (
            np.mean([profile.evidence[level].lacking for level in levels]) for levels in (order.fine, order.coarse)
        )
        return "looks-different" if fine >= coarse else "arranged-differently"
    if near >= ABSENT or (counterparts >= ABSENT and outside < PRESENT):
        return "rare"
    return "only-here" if here else "absent"
