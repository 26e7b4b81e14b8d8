"""Writes a history into a folder, and tells it in lines."""

from collections.abc import Sequence

from gapscope.compare.registry import METRICS, format_interval
from gapscope.diff.headline import READING_WORDS
from gapscope.diff.kinds import shown_name
from gapscope.errors import RunError
from gapscope.history.follow import FollowedKind, event
from gapscope.history.history import History, NumberKey
from gapscope.history.kept import NAME as KEPT
from gapscope.history.page import history_page
from gapscope.store.atomic import write_text
from gapscope.store.location import Location, reason_of
from gapscope.store.run_record import NAME as RECORD

PAGE, NUMBERS, KINDS = "index.html", "history.csv", "kinds.csv"


def check_out(folder: Location) -> None:
    """Check that a history may be written into a folder.

    Raises:
        RunError: it holds a run, or something else that is no history.
    """
    try:
        if (folder / RECORD).exists():
            raise RunError(f"{folder} is a run: give another folder as `out`")
        if (folder / KEPT).exists():
            return
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise RunError(f"{folder} holds no {KEPT} and is not empty: give a new or empty folder as `out`")
    except (OSError, NotImplementedError) as error:
        raise RunError(f"{folder} cannot be read: {reason_of(error)}") from error


def write_history(history: History, folder: Location) -> list[Location]:
    """Write the page, history.csv and kinds.csv into a folder; return their paths.

    Example:
        >>> import gapscope
        >>> from pathlib import Path
        >>> from gapscope.history import read_history
        >>> history = read_history([gapscope.open_run("runs/monday"), gapscope.open_run("runs/tuesday")])
        >>> [path.name for path in write_history(history, Path("history"))]
        ['index.html', 'history.csv', 'kinds.csv']
    """
    texts = {
        PAGE: history_page(history),
        NUMBERS: history.numbers_table().to_csv(index=False, lineterminator="\n"),
        KINDS: history.kinds_table().to_csv(index=False, lineterminator="\n"),
    }
    for name, text in texts.items():
        write_text(folder / name, text)
    return [folder / name for name in texts]


def describe_history(history: History) -> list[str]:
    """Return a history as lines: the numbers of the first, the previous and the last version, and what kinds did.

    Example:
        >>> import gapscope
        >>> from gapscope.history import read_history
        >>> history = read_history([gapscope.open_run("runs/monday"), gapscope.open_run("runs/tuesday")])
        >>> print(describe_history(history)[0])
        2 versions: monday to tuesday
    """
    names = [version.name for version in history.versions]
    shown = [*dict.fromkeys((0, max(0, len(names) - 2), len(names) - 1))]
    count = f"{len(names)} version{'' if len(names) == 1 else 's'}"
    lines = [f"{count}: {names[0]} to {names[-1]}" if len(names) > 1 else f"{count}: {names[0]}"]
    for pair in history.pairs:
        keys = [key for key in history.keys if key[1:3] == pair]
        lines += ["", f"{pair.query} images against {pair.reference}:"]
        rows = [("level", "reading", "number", *(names[version] for version in shown))]
        rows += [_row(history, key, shown) for key in keys]
        lines += [f"  {line}" for line in _aligned(rows)]
        lines += [f"  {line}" for kind in history.kinds if kind.latest.pair == pair for line in _events(history, kind)]
    return lines


def _row(history: History, key: NumberKey, shown: Sequence[int]) -> tuple[str, ...]:
    level, _, _, reading, number = key
    cells = [
        format_interval(METRICS[number], interval) if (interval := history.numbers[version].get(key)) else "none"
        for version in shown
    ]
    return level, READING_WORDS[reading], METRICS[number].label, *cells


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _events(history: History, kind: FollowedKind) -> list[str]:
    """Return a line for each version in which a kind appeared, vanished or came back."""
    compared = history.compared(kind.latest.pair)
    name = shown_name(kind.latest.name, kind.latest.name_source)
    lines = []
    for number, version in enumerate(history.versions):
        if what := event(kind, number, compared):
            own = kind.seen.get(number) or kind.seen[max(seen for seen in kind.seen if seen < number)]
            was = "" if number in kind.seen else "was "
            lines.append(
                f"{what:<9}  {name} ({kind.id}) in {version.name}: {was}{own.groups:,} of {own.query}, {own.share:.1%}"
            )
    return lines
