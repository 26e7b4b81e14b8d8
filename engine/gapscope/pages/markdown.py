"""Markdown for pull requests and the summaries of CI steps: tables, and pictures of kinds in a folder beside it."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from gapscope.kinds.sentences import name_of
from gapscope.report.contact_sheet import contact_sheet
from gapscope.run import Run
from gapscope.store.atomic import replacing
from gapscope.store.gaps import Gap

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~$@!])")


@dataclass(frozen=True)
class PictureFolder:
    """Where the pictures of a Markdown text go, and how the text names them.

    Attributes:
        folder: that they are written to.
        address: of that folder as the text has it: relative to the text, or a URL.
    """

    folder: Path
    address: str

    @classmethod
    def beside(cls, file: Path, folder: Path | None = None, url: str | None = None) -> "PictureFolder":
        """Return the folder of a Markdown file's pictures.

        Args:
            file: the Markdown file.
            folder: where the pictures go; a folder beside the file, which has its name, by default.
            url: where the folder will be published; its path, relative to the file where it lies below, by default.

        Example:
            >>> PictureFolder.beside(Path("/out/summary.md")).address
            'summary-pictures'
            >>> PictureFolder.beside(Path("/out/summary.md"), Path("/pages/1"), "https://example.org/1/").address
            'https://example.org/1'
        """
        pictures = file.parent / f"{file.stem}-pictures" if folder is None else folder
        if url is not None:
            return cls(pictures, url.rstrip("/"))
        below = pictures.absolute().is_relative_to(file.parent.absolute())
        path = pictures.absolute().relative_to(file.parent.absolute()) if below else pictures.absolute()
        return cls(pictures, quote(path.as_posix()))

    def picture(self, run: Run, gap: Gap, name: str) -> str | None:
        """Write a kind's contact sheet, and return it as Markdown; None where the run has no pictures of it.

        Args:
            run: that has the kind.
            gap: the kind.
            name: of the picture's file, without its ending.
        """
        sheet = contact_sheet(run.store, gap)
        if sheet is None:
            return None
        self.folder.mkdir(parents=True, exist_ok=True)
        with replacing(self.folder / f"{name}.jpg") as temporary:
            temporary.write_bytes(sheet)
        return f"![{escape(name_of(gap))}]({self.address}/{quote(name)}.jpg)"


def escape(text: str) -> str:
    r"""Return text that Markdown shows as it is: names of files, classes and datasets are a stranger's.

    Example:
        >>> print(escape("a|b <img> *c*\n# d @e"))
        a\|b \<img\> \*c\* \# d \@e
    """
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def code(text: str) -> str:
    """Return text as code, in a cell of a table too.

    Example:
        >>> print(code("class:a|b gap < 5%"))
        <code>class:a&#124;b gap &lt; 5%</code>
    """
    plain = " ".join(text.split())
    for char, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("|", "&#124;"), ("`", "&#96;"), ("@", "&#64;")):
        plain = plain.replace(char, entity)
    return f"<code>{plain}</code>"


def md_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return a table as lines; cells are Markdown already.

    Example:
        >>> md_table(["a", "b"], [["1", "2"]])
        ['| a | b |', '|---|---|', '| 1 | 2 |']
    """
    return [_row(head), f"|{'---|' * len(head)}", *map(_row, rows)]


def folded(title: str, lines: Sequence[str]) -> list[str]:
    """Return lines that are shown when a reader asks for them."""
    return ["<details>", f"<summary>{title}</summary>", "", *lines, "", "</details>"]


def append_markdown(file: Path, lines: Sequence[str]) -> None:
    """Add lines to a file, which is made if it is not there."""
    with file.open("a", encoding="utf-8") as text:
        text.write("\n".join([*lines, "", ""]))


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
