"""The table of numbers of boxes in docs/comparison.md; `python tests/helpers/box_table.py` writes it there."""

from pathlib import Path

from document_table import replace_table

from gapscope.compare.boxes.registry import BOX_NUMBERS

PAGE = Path(__file__).parents[2] / "docs" / "comparison.md"
HEAD = "| number | what it is | of every | unit |\n|---|---|---|---|\n"


def box_table() -> str:
    """Return the table, with its head and without a line break at the end."""
    cells = ((f"`{number.name}`", number.help, number.of, number.unit) for number in BOX_NUMBERS.values())
    return HEAD + "\n".join(f"| {' | '.join(row)} |" for row in cells)


if __name__ == "__main__":
    replace_table(PAGE, HEAD, box_table())
