"""What a source noticed while it listed its images: what it passed over, and what it took for granted."""

from dataclasses import dataclass, field

_SHOWN_SUFFIXES = 10


@dataclass(frozen=True)
class PassedOver:
    """Files, rows or annotations that are no rows of the dataset, for one reason.

    Attributes:
        count: how many there are.
        example: the name of the first; empty if it has none.
    """

    count: int
    example: str = ""


@dataclass
class ListingNotes:
    """Collects what one listing of a source passed over and took for granted.

    Attributes:
        passed_over: what was passed over, by what it is, such as `images in hidden folders`.
        suffixes: how many files without an image's name were passed over, by their suffix, such as `.exr`; empty for
            those without one.
        guesses: sentences on what the source took for granted, in the order in which it did.

    Example:
        >>> notes = ListingNotes()
        >>> notes.pass_over("images in hidden folders", "photos/.cache/1.jpg")
        >>> notes.pass_over_file("photos/depth.exr")
        >>> notes.guess("labels follow paths")
        >>> print(notes.describe())
        passed over: images in hidden folders (1, such as photos/.cache/1.jpg), .exr files (1); labels follow paths
    """

    passed_over: dict[str, PassedOver] = field(default_factory=dict)
    suffixes: dict[str, int] = field(default_factory=dict)
    guesses: list[str] = field(default_factory=list)

    def pass_over(self, what: str, example: str = "", count: int = 1) -> None:
        """Count what is not a row of the dataset.

        Args:
            what: what it is, in the plural, such as `annotations of unknown images`.
            example: the name of one.
            count: how many there are.
        """
        earlier = self.passed_over.get(what)
        self.passed_over[what] = (
            PassedOver(count, example) if earlier is None else PassedOver(earlier.count + count, earlier.example)
        )

    def pass_over_file(self, name: str) -> None:
        """Count a file that has no image's name, by its suffix."""
        base = name.rpartition("/")[2]
        _, dot, end = base.rpartition(".")
        # Bytes that are not UTF-8 could not be stored in the run.
        suffix = f".{end.lower()}" if dot and len(end) <= 8 and end.isprintable() else ""
        self.suffixes[suffix] = self.suffixes.get(suffix, 0) + 1

    def guess(self, sentence: str) -> None:
        """Keep a sentence on what was taken for granted; the same one is kept once."""
        if sentence not in self.guesses:
            self.guesses.append(sentence)

    def add(self, other: "ListingNotes") -> None:
        """Take over everything that another listing, or a part of this one, noticed.

        Example:
            >>> notes, other = ListingNotes(), ListingNotes()
            >>> notes.pass_over_file("1.exr")
            >>> other.pass_over_file("2.exr")
            >>> notes.add(other)
            >>> notes.describe()
            'passed over: .exr files (2)'
        """
        for what, passed in other.passed_over.items():
            self.pass_over(what, passed.example, passed.count)
        for suffix, count in other.suffixes.items():
            self.suffixes[suffix] = self.suffixes.get(suffix, 0) + count
        for sentence in other.guesses:
            self.guess(sentence)

    def describe(self) -> str:
        """Return all of it as one line; empty if there is nothing to say."""
        parts = [
            f"{what} ({passed.count:,}" + (f", such as {passed.example})" if passed.example else ")")
            for what, passed in self.passed_over.items()
        ]
        by_count = sorted(self.suffixes.items(), key=lambda item: (-item[1], not item[0], item[0]))
        parts += [
            f"{suffix} files ({count:,})" if suffix else f"files without a suffix ({count:,})"
            for suffix, count in by_count[:_SHOWN_SUFFIXES]
        ]
        if (others := sum(count for _, count in by_count[_SHOWN_SUFFIXES:])) > 0:
            parts.append(f"other files ({others:,})")
        passed_over = [f"passed over: {', '.join(parts)}"] if parts else []
        return "; ".join([*passed_over, *self.guesses])
