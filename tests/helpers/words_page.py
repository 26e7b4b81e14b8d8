"""docs/words.md, made from the words of the page; `python tests/helpers/words_page.py` writes it."""

from pathlib import Path

from gapscope.report.words import WORDS, Word

PAGE = Path(__file__).parents[2] / "docs" / "words.md"
_HEAD = """# Words

What the terms of the report mean. The page shows the same text where a term is pointed at, and all of it at its end.
"""
_DOCUMENTS = {
    "Comparison": "comparison.md",
    "Kinds": "kinds.md",
    "Layout": "layout.md",
    "Sources": "sources.md",
    "README": "../README.md",
}


def words_page() -> str:
    """Return the whole document."""
    return "\n".join([_HEAD, *(_entry(word) for word in WORDS)])


def _entry(word: Word) -> str:
    also = f" (also: {', '.join(word.also)})" if word.also else ""
    name = _DOCUMENTS[word.see]
    return f"**{word.term}**{also}: {word.short} {word.long} See [{name.removeprefix('../')}]({name}).\n"


if __name__ == "__main__":
    PAGE.write_text(words_page(), encoding="utf-8")
