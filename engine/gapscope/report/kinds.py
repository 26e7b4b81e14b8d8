"""The kinds as the page shows them: cards with pictures, and which images of the page are of which kind."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gapscope.compare.registry import format_share
from gapscope.kinds.sentences import levels_of, name_of, none_sentences, sureness
from gapscope.report.names import Names
from gapscope.report.points import PointIndex
from gapscope.report.selection import Selection
from gapscope.store.datasets import Pair
from gapscope.store.gaps import Gap, Gaps, read_gaps, read_members
from gapscope.store.metrics import Metrics
from gapscope.store.run_store import RunStore

_WORDS = {4: "texture", 8: "pattern", 16: "parts", 32: "objects", 64: "scene"}
_SEEN_AT_ONCE = 4


@dataclass(frozen=True, kw_only=True)
class PageKinds:
    """The kinds, and where their images are in the `PointIndex`.

    Attributes:
        gaps: what gaps.json holds.
        kind: (n,) number of the kind of each image, -1 for none. No image is of two kinds of one pair; of several
            pairs it has the worst.
        pictures: per kind (p, 2), its pictures and their counterparts; -1 for an image without coordinates.
    """

    gaps: Gaps
    kind: NDArray[np.int32]
    pictures: list[NDArray[np.int64]]

    @property
    def shown(self) -> NDArray[np.int64]:
        """Positions of all pictures and counterparts, those of the worst kinds first."""
        every = np.concatenate([*(own.ravel() for own in self.pictures), np.empty(0, np.int64)])
        return every[every >= 0]


def read_page_kinds(run: RunStore, index: PointIndex) -> PageKinds:
    """Read the kinds of a run."""
    gaps, members = read_gaps(run), read_members(run)
    kind = np.full(len(index), -1, np.int32)
    numbers = {gap["id"]: number for number, gap in enumerate(gaps["kinds"])}
    ids = np.array([numbers.get(name, -1) for name in members["kind"].to_pylist()], np.int32)
    rows, datasets = members["row"].to_numpy(), members["dataset"].to_numpy(zero_copy_only=False)
    for number, dataset in enumerate(index.datasets):
        own = datasets == dataset
        found = index.find(number, rows[own])
        # From the last to the first, so that the worst remains.
        order = np.argsort(-ids[own], kind="stable")
        order = order[found[order] >= 0]
        kind[found[order]] = ids[own][order]
    return PageKinds(gaps=gaps, kind=kind, pictures=[_positions(gap, index) for gap in gaps["kinds"]])


def _positions(gap: Gap, index: PointIndex) -> NDArray[np.int64]:
    query, reference = (index.datasets.index(gap[side]) for side in ("query", "reference"))
    rows = np.array([picture["row"] for picture in gap["pictures"]], np.int64)
    counterparts = np.array(
        [-1 if picture["counterpart_row"] is None else picture["counterpart_row"] for picture in gap["pictures"]],
        np.int64,
    )
    return np.stack([index.find(query, rows), index.find(reference, counterparts)], axis=1)


def kinds_data(
    run: RunStore, metrics: Metrics, kinds: PageKinds, index: PointIndex, selection: Selection, names: Names
) -> dict[str, object]:
    """Return what the page needs of the kinds, as JSON values."""
    page_numbers = selection.page_numbers(len(index))
    gaps, without = kinds.gaps, none_sentences(metrics)
    numbers = {gap["id"]: number for number, gap in enumerate(gaps["kinds"])}
    return {
        "kinds": [
            _card(run, gap, page_numbers[positions], numbers, names)
            for gap, positions in zip(gaps["kinds"], kinds.pictures, strict=True)
        ],
        "looks": [_look(run, gaps["looks"], pair) for pair in run.pairs],
        "kindSentences": [gaps["sentences"].get(pair.name, "") for pair in run.pairs],
        "noKinds": [without[pair.name] for pair in run.pairs],
    }


def _look(run: RunStore, looks: Sequence[Mapping[str, object]], pair: Pair) -> object:
    own = (look["sentence"] for look in looks if (look["query"], look["reference"]) == pair)
    return next(own, None)


def _card(
    run: RunStore, gap: Gap, pictures: NDArray[np.int32], numbers: Mapping[str, int], names: Names
) -> dict[str, object]:
    pair = Pair(gap["query"], gap["reference"])
    levels = list(run.levels)
    readings = run.record.config.compare.listed_readings
    reading = readings[0] if readings[0] in gap["readings"] else gap["readings"][-1]
    # Where most of it is listed, and of such levels where most is lacking.
    shown = max(gap["levels"], key=lambda name: (gap["evidence"][name]["listed"], gap["evidence"][name]["lacking"]))
    return {
        "id": gap["id"],
        "pair": run.pairs.index(pair),
        "sort": gap["sort"],
        "title": gap["title"],
        # A column may hold paths.
        "name": names.value(name_of(gap)),
        "isNamed": bool(gap["name"]) and gap["name_share"] is None,
        "count": run.record.describe_count(gap["query"], gap["images"], gap["groups"]),
        "share": format_share(gap["share"]),
        "levels": levels_of(gap, levels),
        "sure": sureness(gap),
        "advice": gap["advice"],
        "mirror": None if gap["mirror"] is None else numbers[gap["mirror"]],
        "level": levels.index(shown),
        "reading": reading,
        "comparedAt": levels.index(gap["level"]),
        "pictures": [
            [own, counterpart, picture["distance"]]
            for (own, counterpart), picture in zip(pictures.tolist(), gap["pictures"], strict=True)
            if own >= 0
        ],
        "typical": gap["typical"],
        "spacing": gap["spacing"],
        "evidence": [[gap["evidence"][level]["listed"], gap["evidence"][level]["lacking"]] for level in levels],
    }


def level_words(run: RunStore) -> list[dict[str, object]]:
    """Return per level what it sees in a word, and about how many pixels of the network's square it sees at once.

    Levels without an order of scale have neither.
    """
    strides = [level.stride for level in run.record.model.levels]
    size = run.record.config.embed.size
    # Of vectors from elsewhere, no stride is known.
    known = [stride for stride in strides if stride]
    ordered = len(set(known)) == len(known)
    return [
        {
            "word": _WORDS.get(stride, "scene" if stride > max(_WORDS) else "texture"),
            "patch": min(size, stride * _SEEN_AT_ONCE),
        }
        if ordered and stride
        else {"word": None, "patch": None}
        for stride in strides
    ]
