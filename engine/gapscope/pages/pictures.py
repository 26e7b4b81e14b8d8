"""The pictures of kinds, from a run's thumbnails, in the page itself."""

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from gapscope.pages.markup import Html, element
from gapscope.run import Run
from gapscope.store.gaps import Gap, Picture

IN_STRIP = 4
"""Pictures beside each other on a card."""


@dataclass(frozen=True)
class Pictures:
    """Thumbnails of a run.

    Attributes:
        jpegs: their bytes, by dataset and row; those that the run has not kept are missing.
    """

    jpegs: Mapping[tuple[str, int], bytes]

    @classmethod
    def of_kinds(cls, run: Run, kinds: Iterable[Gap]) -> "Pictures":
        """Read the first pictures of kinds, and their nearest counterparts."""
        return cls.read(
            run,
            (
                (name, row)
                for kind in kinds
                for picture in kind["pictures"][:IN_STRIP]
                for name, row in ((kind["query"], picture["row"]), (kind["reference"], picture["counterpart_row"]))
                if row is not None
            ),
        )

    @classmethod
    def read(cls, run: Run, images: Iterable[tuple[str, int]]) -> "Pictures":
        """Read the thumbnails of images, which are named by dataset and row."""
        rows: dict[str, set[int]] = {}
        for dataset, row in images:
            rows.setdefault(dataset, set()).add(row)
        # A dataset is read at once, since each of its files holds the thumbnails of a whole block.
        return cls(
            {
                (dataset, row): jpeg
                for dataset, own in rows.items()
                for row, jpeg in run.thumbnails(dataset, np.array(sorted(own), np.int64)).items()
            }
        )

    def image(self, dataset: str, row: int | None, alt: str) -> Html:
        """Return one picture, or a box that says that there is none.

        Args:
            dataset: that the image is of.
            row: of the image; None for no image.
            alt: what the picture is, for who cannot see it.
        """
        jpeg = None if row is None else self.jpegs.get((dataset, row))
        if jpeg is None:
            return element("span", "no picture", class_="no-picture")
        data = base64.b64encode(jpeg).decode()
        return element("img", class_="picture", alt=alt, src=f"data:image/jpeg;base64,{data}")

    def strip(self, kind: Gap, name: str) -> Html | None:
        """Return a kind's first pictures beside each other; None where the run has kept none."""
        shown = kind["pictures"][:IN_STRIP]
        if not any((kind["query"], picture["row"]) in self.jpegs for picture in shown):
            return None
        return _strip(self.image(kind["query"], picture["row"], _alt(name, picture)) for picture in shown)

    def counterparts(self, kind: Gap) -> Html | None:
        """Return the nearest of the reference to each of `strip`; None where the run has kept none."""
        shown = kind["pictures"][:IN_STRIP]
        if not any((kind["reference"], picture["counterpart_row"]) in self.jpegs for picture in shown):
            return None
        return _strip(
            self.image(
                kind["reference"],
                picture["counterpart_row"],
                f"nearest of {kind['reference']}: {_file_name(picture['counterpart'] or '')}",
            )
            for picture in shown
        )


def _strip(images: Iterable[Html]) -> Html:
    return element("div", *images, class_="strip")


def _alt(name: str, picture: Picture) -> str:
    return f"{name}: {_file_name(picture['uri'])}"


def _file_name(uri: str) -> str:
    return uri.rstrip("/").rsplit("/", maxsplit=1)[-1]
