"""A kind before and after, as a card with pictures of both versions."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from gapscope.diff.kinds import AS_BEFORE, CLOSED, LARGER, NEW, SMALLER, shown_name
from gapscope.pages.blocks import dataset_class, dataset_tag, pair_tags
from gapscope.pages.markup import Html, element, joined
from gapscope.pages.pictures import Pictures
from gapscope.run import Run
from gapscope.store.gaps import Gap

_VERDICTS = {
    NEW: ("New: only the later version has it", "worse"),
    LARGER: ("Larger than before", "worse"),
    SMALLER: ("Smaller than before", "better"),
    CLOSED: ("Closed: the later version does not have it", "better"),
    AS_BEFORE: ("As before", "quiet"),
}


class KindCards:
    """Makes the cards of two versions.

    Args:
        before: the earlier run.
        after: the later run.
        names: what both are called.
        kinds: what `diff_kinds` returns for both.

    Example:
        >>> import gapscope
        >>> runs = gapscope.open_run("runs/monday"), gapscope.open_run("runs/tuesday")
        >>> kinds = gapscope.diff_kinds(*runs)
        >>> cards = KindCards(*runs, ("monday", "tuesday"), kinds)
        >>> cards.card(kinds.to_dict("records")[0])[:22]
        '<article class="card">'
    """

    def __init__(self, before: Run, after: Run, names: tuple[str, str], kinds: Any) -> None:
        self._datasets: Sequence[str] = before.datasets
        self._sides = [
            _Side(run, name, [*kinds[column]])
            for run, name, column in ((before, names[0], "before"), (after, names[1], "after"))
        ]

    def card(self, kind: Mapping[Hashable, Any]) -> Html:
        """Return the card of a row of `diff_kinds`."""
        words, class_ = _VERDICTS[kind["verdict"]]
        before, after = (
            side.kinds.get(kind[when]) for side, when in zip(self._sides, ("before", "after"), strict=True)
        )
        shown = after or before
        assert shown is not None
        name = shown_name(kind["name"], kind["name_source"])
        head = element(
            "div",
            element("span", words, class_=class_),
            element("h3", element("bdi", name)),
            element("span", pair_tags(kind["query"], kind["reference"], self._datasets), class_="quiet"),
            class_="card-head",
        )
        sides = [
            side.column(own, name, f"{kind[f'groups_{when}']:,}", kind[f"share_{when}"], self._datasets)
            for side, own, when in zip(self._sides, (before, after), ("before", "after"), strict=True)
        ]
        # What to do about a kind that is gone is nothing.
        advice = element("p", shown["advice"], class_="advice") if kind["verdict"] != CLOSED else None
        return element("article", head, element("div", *sides, class_="before-after"), advice, class_="card")


class _Side:
    """One version: its kinds by id, and their pictures."""

    def __init__(self, run: Run, name: str, ids: Sequence[str]) -> None:
        self._run, self._name = run, name
        self.kinds: dict[str, Gap] = {gap["id"]: gap for gap in run.gaps_record["kinds"] if gap["id"] in ids}
        self._pictures = Pictures.of_kinds(run, self.kinds.values())

    def column(self, kind: Gap | None, name: str, groups: str, share: float, datasets: Sequence[str]) -> Html:
        """Return what this version has of a kind."""
        title = element("p", element("bdi", self._name), class_="side-title")
        if kind is None:
            return element("div", title, element("p", "no such kind", class_="quiet"))
        record = self._run.record
        unit = record.group_unit(kind["query"])
        facts = f"{groups} {unit}{'' if groups == '1' else 's'} · {kind['title']} · {kind['id']}"
        strip, nearest = self._pictures.strip(kind, name), self._pictures.counterparts(kind)
        tag = dataset_tag(kind["reference"], datasets.index(kind["reference"]))
        caption = element("p", joined(["Nearest in ", tag, f" at {kind['level']}:"]), class_="small")
        return element(
            "div",
            title,
            element("p", f"{share:.1%}", class_=f"share {dataset_class(datasets.index(kind['query']))}"),
            element("p", facts, class_="small"),
            strip,
            caption if nearest else None,
            nearest,
        )
