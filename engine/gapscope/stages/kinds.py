"""The stage that makes kinds of what is listed, names them, and writes gaps.json, gaps.csv and the manifests' kinds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gapscope.compare.sample import sample
from gapscope.device import Device
from gapscope.device.memory import return_free_memory
from gapscope.kinds.examples import TYPICAL, Examples, choose_examples
from gapscope.kinds.grouping import group_nominated
from gapscope.kinds.names import Labels, Name, name_kind, read_labels
from gapscope.kinds.nominations import Nominations
from gapscope.kinds.profile import LevelOrder, Profile, level_order, profile_kinds, sort_of
from gapscope.kinds.sentences import advice, look_sentence, pair_sentence, title
from gapscope.neighbors.embedding_view import open_view
from gapscope.progress import Progress
from gapscope.settings import CompareSettings, EmbedSettings, Reading
from gapscope.stages.network_names import name_by_network
from gapscope.store.annotations import read_annotations
from gapscope.store.datasets import Pair
from gapscope.store.gaps import MEMBERS_SCHEMA, Gap, Gaps, Look, Picture, write_gaps, write_members
from gapscope.store.groups import ImageGroups
from gapscope.store.index import SourceMetadata
from gapscope.store.manifests import ALL, write_kinds
from gapscope.store.neighbors import read_nearest
from gapscope.store.run_store import RunStore

_MIRRORED = 0.5
_MIRROR_SAMPLE = 500


@dataclass(frozen=True, kw_only=True, eq=False)
class _Kind:
    """A kind before it has an id; `here` is whether it is of the dataset that is held against the other."""

    pair: Pair
    members: NDArray[np.int64]
    profile: Profile
    here: bool
    gap: Gap

    @property
    def severity(self) -> tuple[float, ...]:
        """Confirmed before suggested, then by how much of the query is lacking."""
        shown = [self.profile.evidence[level].lacking for level in self.profile.levels]
        return self.gap["q"] is None, -self.gap["share"] * float(np.mean(shown))


def find_kinds(
    run: RunStore,
    settings: CompareSettings,
    groups: Mapping[str, ImageGroups],
    metadata: Mapping[str, SourceMetadata],
    nominations: Mapping[Pair, Nominations],
    embed: EmbedSettings | None,
    device: Device,
    progress: Progress,
) -> None:
    """Make kinds of what the levels list, and write them.

    Args:
        run: the run, whose manifests are written but for their kinds.
        settings: of the comparison.
        groups: per dataset, which images belong together.
        metadata: of every dataset.
        nominations: what every level and reading lists of each pair.
        embed: the run's network, which names kinds that nothing else names; None where the embeddings are of none.
        device: where that network computes.
        progress: shows the work.
    """
    described: dict[str, _Described] = {}
    found: list[_Kind] = []
    looks: list[Look] = []
    with progress.task("kinds", len(run.pairs), "pair") as task:
        for pair in run.pairs:
            looks += _look(run, pair, nominations[pair])
            sure = [
                (members, nominations[pair].q(members)) for members in group_nominated(run, pair, nominations[pair])
            ]
            kept = [(members, q) for members, q in sure if q is None or q <= settings.fdr]
            if kept:
                if pair.query not in described:
                    described[pair.query] = _describe(run, pair.query, groups, metadata)
                own = described[pair.query]
                members_of = [members for members, _ in kept]
                profiles = profile_kinds(run, pair, nominations[pair], members_of, own.order, groups[pair.reference])
                examples = _examples(run, pair, members_of, profiles, groups[pair.query], _content_level(own))
                found += _kinds(run, pair, kept, profiles, examples, groups, metadata, own)
            return_free_memory()
            task.advance(1)
    mirrors = _find_mirrors(run, found, groups)
    found = _in_order(found, mirrors)
    for number, kind in enumerate(found, start=1):
        kind.gap["id"] = f"K{number}"
    for kind, mirror in mirrors.items():
        kind.gap["mirror"] = mirror.gap["id"]
    if embed is not None:
        _name_by_network(run, found, groups, embed, device)
    gaps: Gaps = {
        "kinds": [kind.gap for kind in found],
        "looks": looks,
        "sentences": {
            pair.name: pair_sentence(
                *pair,
                [kind.gap for kind in found if kind.pair == pair and not (kind.here and kind.gap["mirror"])],
                [look for look in looks if (look["query"], look["reference"]) == pair],
                int(groups[pair.query].lengths[nominations[pair].nominated].sum()),
            )
            for pair in run.pairs
        },
        "levels": {
            name: {
                "seen": {level: round(seen, 4) for level, seen in own.order.seen.items()},
                "content": list(own.order.content),
                "fine": list(own.order.fine),
                "coarse": list(own.order.coarse),
            }
            for name, own in described.items()
        },
    }
    write_gaps(run.path, gaps)
    _write_members(run, found, groups, metadata)
    _mark_manifests(run, settings, found, groups, progress)


@dataclass(frozen=True)
class _Described:
    """What is known of a dataset that has kinds: which of its levels are fine, and the labels of its groups."""

    order: LevelOrder
    labels: list[Labels]


def _describe(
    run: RunStore, dataset: str, groups: Mapping[str, ImageGroups], metadata: Mapping[str, SourceMetadata]
) -> _Described:
    own = groups[dataset]
    # Which levels are fine and which coarse is a matter of the network: any reading tells.
    order = level_order(run, dataset, own, run.record.config.compare.readings_compared[0])
    annotations, objects = read_annotations(run, dataset), run.record.config.objects
    return _Described(order, read_labels(metadata[dataset], own, annotations, objects=objects))


def _look(run: RunStore, pair: Pair, nominations: Nominations) -> list[Look]:
    saturated = nominations.saturated if "as-is" in nominations.readings else []
    if not saturated:
        return []
    levels, share = [own.level for own in saturated], max(own.share for own in saturated)
    sentence = look_sentence(*pair, levels, share, run.levels)
    return [{"query": pair.query, "reference": pair.reference, "levels": levels, "share": share, "sentence": sentence}]


def _content_level(described: _Described) -> str:
    """Return the level that sees content best: there kinds are shown."""
    order = described.order
    return max(order.content, key=lambda name: order.seen[name])


def _examples(
    run: RunStore,
    pair: Pair,
    kinds: Sequence[NDArray[np.int64]],
    profiles: Sequence[Profile],
    groups: ImageGroups,
    level: str,
) -> list[Examples]:
    """Return the examples of each kind, in its reading."""
    examples: dict[int, Examples] = {}
    for reading in sorted({profile.reading for profile in profiles}):
        numbers = [number for number, profile in enumerate(profiles) if profile.reading == reading]
        members = [kinds[number] for number in numbers]
        view = open_view(run, pair.query, level, reading)
        chosen = choose_examples(run, level, pair, reading, groups, members, view)
        examples |= zip(numbers, chosen, strict=True)
    return [examples[number] for number in range(len(kinds))]


def _kinds(
    run: RunStore,
    pair: Pair,
    kept: Sequence[tuple[NDArray[np.int64], float | None]],
    profiles: Sequence[Profile],
    examples: Sequence[Examples],
    groups: Mapping[str, ImageGroups],
    metadata: Mapping[str, SourceMetadata],
    described: _Described,
) -> list[_Kind]:
    """Return the kinds of a pair with their pictures, whose uris are read once for all kinds."""
    shown = np.unique(np.concatenate([own.rows for own in examples]))
    uris = dict(zip(shown.tolist(), metadata[pair.query].uris(shown), strict=True))
    counterparts = np.unique(np.concatenate([own.counterparts for own in examples]))
    counterparts = counterparts[counterparts >= 0]
    counterpart_uris = dict(zip(counterparts.tolist(), metadata[pair.reference].uris(counterparts), strict=True))
    found = []
    for (members, q), profile, own in zip(kept, profiles, examples, strict=True):
        pictures: list[Picture] = [
            {
                "uri": uris[row],
                "row": row,
                "counterpart": counterpart_uris.get(counterpart),
                "counterpart_row": counterpart if counterpart >= 0 else None,
                "distance": round(distance, 4) if counterpart >= 0 else None,
            }
            for row, counterpart, distance in zip(
                own.rows.tolist(), own.counterparts.tolist(), own.distances.tolist(), strict=True
            )
        ]
        found.append(_kind(run, pair, members, q, profile, pictures, own.spacing, groups[pair.query], described))
    return found


def _kind(
    run: RunStore,
    pair: Pair,
    members: NDArray[np.int64],
    q: float | None,
    profile: Profile,
    pictures: list[Picture],
    spacing: float,
    own: ImageGroups,
    described: _Described,
) -> _Kind:
    here = _is_held_against(run, pair)
    sort = sort_of(profile, described.order, here=here)
    name = name_kind(described.labels, members, len(own)) or Name("", "")
    gap: Gap = {
        "id": "",
        "sort": sort,
        "query": pair.query,
        "reference": pair.reference,
        "name": name.text,
        "name_source": name.source,
        "name_share": None,
        "images": int(own.lengths[members].sum()),
        "groups": len(members),
        "share": len(members) / len(own),
        "levels": list(profile.levels),
        "readings": list(profile.readings),
        "q": q,
        "level": _content_level(described),
        "typical": min(TYPICAL, len(pictures)),
        "pictures": pictures,
        "spacing": round(spacing, 4),
        "mirror": None,
        "title": title(sort, *pair, here=here),
        "advice": advice(sort, *pair, here=here),
        "evidence": {
            name: {
                "listed": round(evidence.listed, 4),
                "lacking": round(evidence.lacking, 4),
                "outside": round(evidence.outside, 4),
                "counterparts": None if evidence.counterparts is None else round(evidence.counterparts, 4),
            }
            for name, evidence in profile.evidence.items()
        },
    }
    return _Kind(pair=pair, members=members, profile=profile, here=here, gap=gap)


def _is_held_against(run: RunStore, pair: Pair) -> bool:
    """Return whether the query is held against the reference, which is the one that is to be matched.

    That is the dataset of `--reference`, or of the two the one that was named first.
    """
    target = run.record.config.compare.reference
    if target in pair:
        return pair.reference == target
    return run.datasets.index(pair.reference) < run.datasets.index(pair.query)


def _name_by_network(
    run: RunStore, found: Sequence[_Kind], groups: Mapping[str, ImageGroups], embed: EmbedSettings, device: Device
) -> None:
    unnamed = {
        kind.gap["id"]: (kind.pair.query, groups[kind.pair.query].representative_rows[kind.members])
        for kind in found
        if not kind.gap["name"]
    }
    names = name_by_network(run, unnamed, embed, device)
    for kind in found:
        if kind.gap["id"] in names:
            kind.gap["name"], share = names[kind.gap["id"]]
            kind.gap["name_source"], kind.gap["name_share"] = "network", round(share, 4)


def _find_mirrors(run: RunStore, found: Sequence[_Kind], groups: Mapping[str, ImageGroups]) -> dict[_Kind, _Kind]:
    """Return, for each kind that both directions have found, what the other direction made of it.

    Two kinds with a counterpart are one seen from both sides where the nearest of either are mostly of the other.
    """
    asked: dict[tuple[str, Pair, Reading], list[_Kind]] = {}
    for kind in found:
        if kind.gap["sort"] in ("looks-different", "arranged-differently"):
            asked.setdefault((kind.gap["level"], kind.pair, kind.profile.reading), []).append(kind)
    nearest: dict[_Kind, NDArray[np.int64]] = {}
    for (level, pair, reading), kinds in asked.items():
        own = groups[pair.query].representative_rows
        rows = [sample(own[kind.members], _MIRROR_SAMPLE) for kind in kinds]
        near = read_nearest(run, level, pair, np.concatenate(rows), 1, reading)[1][:, 0]
        nearest |= zip(kinds, np.split(near, np.cumsum([len(part) for part in rows])[:-1]), strict=True)

    def leads_to(kind: _Kind, other: _Kind) -> bool:
        rows = groups[other.pair.query].representative_rows[other.members]
        return bool(np.isin(nearest[kind], rows).mean() > _MIRRORED)

    return {
        kind: other
        for kind in nearest
        for other in nearest
        if other.pair == kind.pair.reversed and leads_to(kind, other) and leads_to(other, kind)
    }


def _in_order(found: Sequence[_Kind], mirrors: Mapping[_Kind, _Kind]) -> list[_Kind]:
    """Return kinds, the worst first; the two sides of one follow each other, first that of the dataset to match."""
    place = {kind: number for number, kind in enumerate(sorted(found, key=lambda kind: kind.severity))}
    return sorted(found, key=lambda kind: (min(place[kind], place[mirrors.get(kind, kind)]), kind.here))


def _write_members(
    run: RunStore, found: Sequence[_Kind], groups: Mapping[str, ImageGroups], metadata: Mapping[str, SourceMetadata]
) -> None:
    rows = [own.rows[own.images_of(kind.members)] for kind in found for own in [groups[kind.pair.query]]]
    uris: dict[str, tuple[NDArray[np.int64], pa.Array]] = {}
    for dataset in dict.fromkeys(kind.pair.query for kind in found):
        # All of a dataset at a time: kinds lie scattered over it.
        every = np.unique(
            np.concatenate([own for own, kind in zip(rows, found, strict=True) if kind.pair.query == dataset])
        )
        uris[dataset] = every, metadata[dataset].take(every, ["uri"])["uri"].combine_chunks().cast(pa.string())
    tables = [pa.table({name: [] for name in MEMBERS_SCHEMA.names}, schema=MEMBERS_SCHEMA)]
    for kind, own in zip(found, rows, strict=True):
        every, texts = uris[kind.pair.query]
        columns = [pa.array([text] * len(own), pa.string()) for text in (kind.gap["id"], kind.pair.query)]
        named = texts.take(pa.array(np.searchsorted(every, own)))
        tables.append(pa.table([*columns, pa.array(own), named], schema=MEMBERS_SCHEMA))
    write_members(run.path, pa.concat_tables(tables))


def _mark_manifests(
    run: RunStore,
    settings: CompareSettings,
    found: Sequence[_Kind],
    groups: Mapping[str, ImageGroups],
    progress: Progress,
) -> None:
    """Write in every manifest which kind each image is of."""
    lists = [
        (reading, level)
        for reading in settings.listed_readings
        for level in (*run.levels, *([ALL] if reading == "as-is" else []))
    ]
    with progress.task("manifests", len(lists) * len(run.pairs), "list") as task:
        for pair in run.pairs:
            kind_of_row, ids = _kind_of_row(found, pair, groups[pair.query])
            for reading, level in lists:
                write_kinds(run.path, level, pair, reading, ids, kind_of_row)
                return_free_memory()
                task.advance(1)


def _kind_of_row(found: Sequence[_Kind], pair: Pair, own: ImageGroups) -> tuple[NDArray[np.int32], list[str]]:
    """Return the number of the kind of each row of the query, and the kinds' ids, of which the first is of none."""
    number = np.zeros(len(own), np.int32)
    ids = [""]
    for kind in found:
        if kind.pair == pair:
            number[kind.members] = len(ids)
            ids.append(kind.gap["id"])
    kind_of_row = np.zeros(int(own.rows[-1]) + 1 if len(own.rows) else 0, np.int32)
    kind_of_row[own.rows] = number[own.group]
    return kind_of_row, ids
