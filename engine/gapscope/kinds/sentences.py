"""Kinds in words: what each is and what to do next, for the console, the page and gaps.json."""

import math
from collections.abc import Iterable, Mapping, Sequence

from gapscope.compare.outlier_scores import Basis
from gapscope.compare.outlier_table import SATURATED
from gapscope.compare.registry import format_share
from gapscope.store.gaps import Gap, Look, Sort
from gapscope.store.metrics import Metrics

_ADVICE: Mapping[Sort, str] = {
    "absent": "{reference} has nothing like it: add this content to {reference}.",
    "rare": "{reference} has too few of it: add more of the same to {reference}.",
    "looks-different": (
        "{matching} shows the same content with other textures: compare material, light, focus and noise with the "
        "counterpart."
    ),
    "arranged-differently": (
        "{matching} shows the same textures in another arrangement: compare layout, scale and camera with the "
        "counterpart."
    ),
    "only-here": "{reference} has nothing like it: unless it is wanted, find its cause, such as a fault of rendering.",
}
_RARE_HERE = "{reference} has few of it: {query} has more than it should, if {reference} is complete."
_TITLES: Mapping[Sort, str] = {
    "absent": "Missing from {reference}",
    "rare": "Too rare in {reference}",
    "looks-different": "Looks different in {matching}",
    "arranged-differently": "Arranged differently in {matching}",
    "only-here": "Only in {query}",
}


def advice(sort: Sort, query: str, reference: str, *, here: bool = False) -> str:
    """Return one sentence on what to do about a sort of gap.

    Args:
        sort: of gap.
        query: the dataset that the kind is of.
        reference: the dataset that it is held against.
        here: whether the query is to match the reference, and not the other way round.

    Example:
        >>> advice("rare", "real", "synthetic")
        'synthetic has too few of it: add more of the same to synthetic.'
    """
    text = _RARE_HERE if sort == "rare" and here else _ADVICE[sort]
    return text.format(query=query, reference=reference, matching=query if here else reference)


def title(sort: Sort, query: str, reference: str, *, here: bool = False) -> str:
    """Return what sort of gap a kind is, with the datasets' names; the arguments are those of `advice`.

    Example:
        >>> title("absent", "real", "synthetic")
        'Missing from synthetic'
    """
    text = "Too frequent in {query}" if sort == "rare" and here else _TITLES[sort]
    return text.format(query=query, reference=reference, matching=query if here else reference)


def name_of(gap: Gap) -> str:
    """Return a kind's name as it is shown: one by the network is a guess, and says so."""
    if not gap["name"]:
        return "no name"
    if gap["name_share"] is None:
        return gap["name"]
    # Rounded down: no guess is sure.
    return f"looks like: {gap['name']} ({math.floor(10 * gap['name_share']) / 10})"


def levels_of(gap: Gap, levels: Sequence[str]) -> str:
    """Return the levels at which a kind shows, in words.

    Example:
        >>> levels_of({"levels": ["P2", "P3", "P4"]}, ["P2", "P3", "P4", "P5"])
        'P2 to P4 only'
        >>> levels_of({"levels": ["P2", "P5"]}, ["P2", "P3", "P4", "P5"])
        'P2, P5 only'
    """
    if len(gap["levels"]) == len(levels):
        return "every level"
    places = [levels.index(level) for level in gap["levels"]]
    if len(places) > 2 and places == list(range(places[0], places[-1] + 1)):
        return f"{levels[places[0]]} to {levels[places[-1]]} only"
    return f"{', '.join(gap['levels'])} only"


def sureness(gap: Gap) -> str:
    """Return how sure a kind is, in words."""
    if gap["q"] is None:
        return "a suggestion"
    return "q < 0.001" if gap["q"] < 0.001 else f"q {gap['q']:.2g}"


def look_sentence(query: str, reference: str, levels: Sequence[str], share: float, all_levels: Sequence[str]) -> str:
    """Return the line on a difference of look of the whole set."""
    where = "every level" if len(levels) == len(all_levels) else ", ".join(levels)
    unlike = f"up to {format_share(share)} of {query} is not like {reference} as it is"
    return f"The look of the whole set: at {where}, {unlike}; kinds come from style aside"


def pair_sentence(query: str, reference: str, kinds: Sequence[Gap], looks: Sequence[Look], listed: int) -> str:
    """Return what an ordered pair says in one sentence.

    Args:
        query: the dataset whose kinds these are.
        reference: the dataset that they are held against.
        kinds: of the pair, but for those that are another one's other side.
        looks: of the pair.
        listed: images that any list holds.
    """
    look = f"{query} differs from {reference} in look as a whole; beneath it, " if looks else ""
    if not kinds:
        if not listed:
            return f"{look}nothing of {query} is listed against {reference}"
        if listed == 1:
            return f"{look}1 image of {query} is listed against {reference}, and does not form a kind"
        return f"{look}{listed:,} images of {query} are listed against {reference}, and do not form a kind"
    counts = [
        f"{number} {words}"
        for sorts, words in (
            (("absent",), f"missing from {reference}"),
            (("only-here",), f"only in {query}"),
            (("rare",), f"too rare in {reference}"),
            (("looks-different",), "that looks different"),
            (("arranged-differently",), "arranged differently"),
        )
        if (number := sum(gap["sort"] in sorts for gap in kinds))
    ]
    total = "1 kind" if len(kinds) == 1 else f"{len(kinds)} kinds"
    share = sum(gap["share"] for gap in kinds)
    return f"{look}{total} of {query} images, {format_share(share)} of all: {', '.join(counts)}"


def none_sentence(smallest: int | None, levels: Iterable[tuple[float, Basis | None]]) -> str:
    """Return what it means that an ordered pair has no kind.

    Args:
        smallest: of how many groups a gap must be to be listed; None where no gap can be.
        levels: per level the share that is listed as it is, and what the list style aside rests on; None without one.

    Example:
        >>> none_sentence(6, [(0.0, "calibrated"), (0.97, "ranking")])
        'No kind of image stands out. A gap of 6 images or more of one kind would have been listed.'
        >>> none_sentence(6, [(0.97, "ranking")])
        'Nothing can be told beneath the look that remains: this says nothing of what may be missing.'
    """
    if _is_hidden(levels):
        return "Nothing can be told beneath the look that remains: this says nothing of what may be missing."
    if smallest is None:
        return "No kind of image stands out, and there are too few images for any to: this says nothing of small gaps."
    images = "image" if smallest == 1 else "images"
    return f"No kind of image stands out. A gap of {smallest:,} {images} or more of one kind would have been listed."


def nothing_can_be_told(metrics: Metrics, pair: str) -> bool:
    """Return whether an ordered pair without kinds may lack something all the same, since its look hides the content.

    Args:
        metrics: of the run.
        pair: the pair's name.
    """
    return _is_hidden(_shares_and_bases(metrics, pair))


def _is_hidden(levels: Iterable[tuple[float, Basis | None]]) -> bool:
    return all(share > SATURATED and basis in (None, "ranking") for share, basis in levels)


def _shares_and_bases(metrics: Metrics, pair: str) -> list[tuple[float, Basis | None]]:
    """Return per level the share that is listed as it is, and what the list style aside rests on."""
    return [
        (own["pairs"][pair]["outlier_share"], own["style_aside"][pair]["basis"] if own["style_aside"] else None)
        for own in metrics["levels"].values()
    ]


def none_sentences(metrics: Metrics) -> dict[str, str]:
    """Return `none_sentence` of every ordered pair, by its name."""
    return {
        name: none_sentence(limit["smallest_gap"], _shares_and_bases(metrics, name))
        for name, limit in metrics["limits"].items()
    }
