"""What happened from one version to another, in the sentences that a page begins with."""

from collections.abc import Sequence

import pandas as pd

from gapscope.diff.kinds import AS_BEFORE, CLOSED, LARGER, NEW, SMALLER
from gapscope.diff.numbers import AS_IS, STYLE_ASIDE, level_verdicts

READING_WORDS = {AS_IS: "as it is", STYLE_ASIDE: "style aside"}


def kinds_sentence(kinds: pd.DataFrame) -> str:
    """Return what became of the kinds that `diff_kinds` names, in one sentence.

    Example:
        >>> kinds_sentence(pd.DataFrame({"verdict": ["new", "closed", "closed", "as before"]}))
        '2 kinds closed and 1 opened; 1 is as before.'
    """
    if kinds.empty:
        return "Neither version has any kind."
    counts = {verdict: int((kinds["verdict"] == verdict).sum()) for verdict in (CLOSED, SMALLER, LARGER, NEW)}
    verbs = {CLOSED: "closed", SMALLER: "narrowed", LARGER: "widened", NEW: "opened"}
    changed = [f"{count} {verbs[verdict]}" for verdict, count in counts.items() if count]
    same = int((kinds["verdict"] == AS_BEFORE).sum())
    rest = f"; {same} {'is' if same == 1 else 'are'} as before" if same else ""
    if not changed:
        return f"No kind closed, opened or changed beyond chance{rest}."
    first = next(count for count in counts.values() if count)
    # The first count alone says what is counted.
    changed[0] = changed[0].replace(" ", " kind " if first == 1 else " kinds ", 1)
    return f"{in_words(changed)}{rest}."


def levels_sentences(changes: pd.DataFrame) -> list[str]:
    """Return per reading at how many levels, and at which, the gap that `diff_runs` tells of closes or widens.

    Example:
        >>> columns = ["level", "query", "reference", "reading", "number", "verdict"]
        >>> levels_sentences(pd.DataFrame([["P5", "a", "b", "as-is", "kid", "smaller"]], columns=columns))
        ['As it is, the gap closes at 1 of 1 level (P5).']
    """
    verdicts = level_verdicts(changes)
    return [
        _levels_sentence(reading, verdicts[verdicts["reading"] == reading])
        for reading in READING_WORDS
        if (verdicts["reading"] == reading).any()
    ]


def _levels_sentence(reading: str, verdicts: pd.DataFrame) -> str:
    levels = [*dict.fromkeys(verdicts["level"])]
    of = f"{len(levels)} level{'' if len(levels) == 1 else 's'}"
    said: list[str] = []
    for words, wanted in (("closes", "closing"), ("widens", "widening"), ("has numbers that disagree", "both")):
        own = [*dict.fromkeys(verdicts.loc[verdicts["verdict"] == wanted, "level"])]
        if own:
            said.append(f"{words} at {len(own)}{'' if said else f' of {of}'} ({', '.join(own)})")
    where = READING_WORDS[reading].capitalize()
    if not said:
        return f"{where}, no number changed beyond its error bars at any of {of}."
    return f"{where}, the gap {in_words(said)}."


def in_words(parts: Sequence[str]) -> str:
    """Return `a, b and c`.

    Example:
        >>> in_words(["a", "b", "c"]), in_words(["a"])
        ('a, b and c', 'a')
    """
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]
