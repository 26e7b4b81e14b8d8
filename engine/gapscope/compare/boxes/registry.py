"""Every number of boxes, described once: the page, the console and the documents read it here."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from gapscope.store.box_metrics import BoxUnit

_SHARES = tuple(step / 10 for step in range(11))
_SIZES = (0.0, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0)
_OCTAVES = tuple(step / 2 for step in range(-6, 7))


@dataclass(frozen=True, kw_only=True)
class BoxNumber:
    """A number of the boxes of a dataset.

    Attributes:
        name: its name in metrics.json.
        label: what people read.
        help: one sentence on what it is.
        unit: a count, a share, or a logarithm to base 2 of a ratio.
        of: what has it: every object or every image.
        edges: of the bins of its histogram; values beyond the ends are in the first and the last bin. Empty for counts,
            whose bins grow with the largest, and for what is only yes or no.
    """

    name: str
    label: str
    help: str
    unit: BoxUnit
    of: Literal["object", "image"] = "object"
    edges: Sequence[float] = ()

    def format_value(self, value: float) -> str:
        """Return a value as text.

        Example:
            >>> [BOX_NUMBERS[name].format_value(1) for name in ("objects_per_image", "size", "aspect")]
            ['1', '100%', '2:1']
        """
        if self.unit == "share":
            return f"{value:.1%}" if abs(value) < 0.1 else f"{value:.0%}"
        if self.unit == "log-ratio":
            return f"{2**value:.2g}:1" if value >= 0 else f"1:{2**-value:.2g}"
        return f"{value:.3g}"


BOX_NUMBERS = {
    number.name: number
    for number in (
        BoxNumber(
            name="objects_per_image",
            label="objects per image",
            help="Annotated objects of an image",
            unit="count",
            of="image",
        ),
        BoxNumber(
            name="classes_per_image",
            label="classes per image",
            help="Different classes among the objects of an image",
            unit="count",
            of="image",
        ),
        BoxNumber(
            name="size",
            label="size",
            help="Square root of the share of the image's area that the object's box has, so that half is half as wide",
            unit="share",
            edges=_SIZES,
        ),
        BoxNumber(
            name="width",
            label="width",
            help="Width of the box as a share of the image's",
            unit="share",
            edges=_SIZES,
        ),
        BoxNumber(
            name="height",
            label="height",
            help="Height of the box as a share of the image's",
            unit="share",
            edges=_SIZES,
        ),
        BoxNumber(
            name="center_x",
            label="place from the left",
            help="Center of the box from the left edge, as a share of the image's width",
            unit="share",
            edges=_SHARES,
        ),
        BoxNumber(
            name="center_y",
            label="place from the top",
            help="Center of the box from the top edge, as a share of the image's height",
            unit="share",
            edges=_SHARES,
        ),
        BoxNumber(
            name="aspect",
            label="aspect",
            help="Width of the box to its height in pixels, as a logarithm to base 2: 1 is twice as wide as high",
            unit="log-ratio",
            edges=_OCTAVES,
        ),
        BoxNumber(
            name="overlap",
            label="overlap",
            help="Largest intersection over union of the box with that of another object of the image",
            unit="share",
            edges=_SHARES,
        ),
        BoxNumber(
            name="overlapping",
            label="objects that overlap",
            help="Share of objects whose box overlaps that of another object",
            unit="share",
        ),
        BoxNumber(
            name="truncation",
            label="truncation",
            help="Share of the object that lies outside of the image, as annotated",
            unit="share",
            edges=_SHARES,
        ),
        BoxNumber(
            name="at_edge",
            label="objects at the edge",
            help="Share of objects whose box reaches the image's edge; shown unless both datasets annotate truncation",
            unit="share",
        ),
        BoxNumber(
            name="occlusion",
            label="occlusion",
            help="How much of the object is hidden, as annotated",
            unit="share",
            edges=_SHARES,
        ),
    )
}
"""Numbers by name, in the order in which they are shown."""
