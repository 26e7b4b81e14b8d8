"""Writes a generated table into a document."""

from pathlib import Path


def replace_table(page: Path, head: str, table: str) -> None:
    """Write `table` in place of the table of `page` that begins with `head`."""
    text = page.read_text(encoding="utf-8")
    start = text.index(head)
    page.write_text(text[:start] + table + text[text.index("\n\n", start) :], encoding="utf-8")
