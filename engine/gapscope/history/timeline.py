"""Kinds over versions, as a table: a row per kind, a column per version, a square per share."""

from collections.abc import Iterator, Sequence

from gapscope.diff.kinds import shown_name
from gapscope.history.follow import VANISHED, FollowedKind, event
from gapscope.history.history import History
from gapscope.pages.blocks import dataset_class, pair_tags
from gapscope.pages.markup import Html, element, joined
from gapscope.pages.pictures import Pictures
from gapscope.store.datasets import Pair

_SMALLEST = 0.12
"""Side of the smallest square, as a share of the largest: it must be seen."""


_MANY = 16
"""Versions from which on columns are narrow, so that fifty are seen at once."""


def timeline(history: History) -> Iterator[Html]:
    """Yield a section per ordered pair that has kinds in any version."""
    pictures = _pictures(history)
    for pair in history.pairs:
        kinds = [kind for kind in history.kinds if kind.latest.pair == pair]
        if kinds:
            yield _section(history, pair, kinds, pictures)


def _pictures(history: History) -> dict[str, Html]:
    """Return a picture of each kind, by its id: of the latest version that has it."""
    pictures = {}
    for number, version in enumerate(history.versions):
        kinds = [kind for kind in history.kinds if kind.last == number]
        wanted = [(kind.latest.query, kind.latest.row) for kind in kinds if kind.latest.row is not None]
        read = Pictures.read(version.run, wanted)
        for kind in kinds:
            name = shown_name(kind.latest.name, kind.latest.name_source)
            pictures[kind.id] = read.image(kind.latest.query, kind.latest.row, f"{name} in {version.name}")
    return pictures


def _section(history: History, pair: Pair, kinds: Sequence[FollowedKind], pictures: dict[str, Html]) -> Html:
    datasets = history.first.run.datasets
    compared = history.compared(pair)
    largest = max(kind.share for each in kinds for kind in each.seen.values())
    # What is there now comes before what has gone, and what is larger before what is smaller.
    order = sorted(kinds, key=lambda kind: (-kind.last, -kind.latest.share))
    heads = [
        element("th", element("span", version.name, title=version.name), scope="col", class_="version")
        for version in history.versions
    ]
    # An empty column takes the width that few versions leave.
    fill = element("td", class_="fill", aria_hidden="true")
    rows = [
        element(
            "tr",
            element("th", _kind(kind, pictures[kind.id]), scope="row"),
            *(_cell(history, kind, number, compared, largest) for number in range(len(history.versions))),
            fill,
        )
        for kind in order
    ]
    caption = f"Kinds of {pair.query} against {pair.reference}"
    head = element("tr", element("th", "kind", scope="col"), *heads, element("td", class_="fill", aria_hidden="true"))
    whole = element(
        "table",
        element("caption", caption, class_="visually-hidden"),
        element("thead", head),
        element("tbody", *rows),
        class_="timeline many" if len(history.versions) > _MANY else "timeline",
    )
    return element(
        "section",
        element("h2", "Kinds: ", pair_tags(*pair, datasets)),
        element(
            "p",
            "A square is as large as the kind's share of the dataset, which stands below it. A dash: the version does "
            "not have the kind.",
            class_="caption",
        ),
        element("div", whole, class_="scroller newest-first", tabindex="0", role="region", aria_label=caption),
        class_=dataset_class(datasets.index(pair.query)),
    )


def _kind(kind: FollowedKind, picture: Html) -> Html:
    name = element("bdi", shown_name(kind.latest.name, kind.latest.name_source))
    said = joined([element("span", name, class_="name"), element("br"), element("span", kind.id, class_="small")])
    return element("div", picture, element("span", said), class_="kind-row")


def _cell(history: History, kind: FollowedKind, number: int, compared: Sequence[bool], largest: float) -> Html:
    own, name = kind.seen.get(number), history.versions[number].name
    if not compared[number]:
        return element("td", element("span", "not compared", class_="small"))
    what = event(kind, number, compared)
    said = element("span", what, class_="event better" if what == VANISHED else "event worse") if what else None
    if own is None:
        dash = element("span", "\N{EN DASH}", class_="box quiet", title=f"{name}: none")
        return element("td", element("span", dash, said, class_="cell"))
    side = max(_SMALLEST, (own.share / largest) ** 0.5)
    title = f"{name}: {own.id}, {own.groups:,} of {own.of_groups:,}, {own.share:.1%}"
    square = element("span", element("span", class_="square", style=f"--side:{side:.3f}"), class_="box", title=title)
    text = element("span", f"{own.share:.0%}" if own.share >= 0.0095 else "<1%")
    return element("td", element("span", square, text, said, class_="cell"))
