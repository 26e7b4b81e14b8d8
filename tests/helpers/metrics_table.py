"""The table of metrics in docs/comparison.md; `python tests/helpers/metrics_table.py` writes it there."""

from pathlib import Path

from document_table import replace_table

from gapscope.compare.registry import METRICS, Metric

PAGE = Path(__file__).parents[2] / "docs" / "comparison.md"
HEAD = "| number | what it is | better | 95% interval | noise floor | source |\n|---|---|---|---|---|---|\n"


def metrics_table() -> str:
    """Return the table, with its head and without a line break at the end."""
    return HEAD + "\n".join(_row(metric) for metric in METRICS.values())


def _row(metric: Metric) -> str:
    cells = (f"`{metric.name}`", metric.help, metric.better, metric.interval, metric.noise_floor, metric.source)
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    replace_table(PAGE, HEAD, metrics_table())
