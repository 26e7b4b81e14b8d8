"""The table of metrics in docs/comparison.md; `python tests/helpers/metrics_table.py` writes it there."""

from pathlib import Path

from gapscope.compare.registry import METRICS, Metric

PAGE = Path(__file__).parents[2] / "docs" / "comparison.md"
HEAD = "| number | what it is | better | 95% interval | noise floor | source |\n|---|---|---|---|---|---|\n"


def metrics_table() -> str:
    """Return the table, with its head and without a line break at the end."""
    return HEAD + "\n".join(_row(metric) for metric in METRICS.values())


def _row(metric: Metric) -> str:
    cells = (f"`{metric.name}`", metric.help, metric.better, metric.interval, metric.noise_floor, metric.source)
    return "| " + " | ".join(cells) + " |"


def _write() -> None:
    text = PAGE.read_text(encoding="utf-8")
    start = text.index(HEAD)
    end = text.index("\n\n", start)
    PAGE.write_text(text[:start] + metrics_table() + text[end:], encoding="utf-8")


if __name__ == "__main__":
    _write()
