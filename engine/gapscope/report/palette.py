"""The colors of datasets, in every picture the same, and of the values of a column."""

LIGHT = ("#0072B2", "#D55E00", "#009E73", "#B8548F", "#C98500", "#2E9BDB", "#111111", "#A79B00")
"""Okabe and Ito's colors (2008), told apart by color-blind eyes too; some are shifted where white would hide them."""

DARK = ("#3E9FE0", "#E8702A", "#14B888", "#D58BB4", "#E69F00", "#8CCBF2", "#F2F2F2", "#F0E442")
"""The same for a dark ground."""

CATEGORIES_LIGHT = (
    *("#660D66", "#99804C", "#404CB2", "#40400D", "#668CB2", "#8C66D9"),
    *("#406600", "#0D338C", "#B2404C", "#664C80", "#8C0D4C", "#267366"),
)
"""Colors of a column's values, frequent ones first: none is a dataset's, and all have 3:1 against the ground.

They are those of all colors of middling chroma whose smallest distance from each other and from the datasets' is
largest, in OKLab (Ottosson 2020), to all eyes: with the color vision deficiencies of Machado et al. (2009), distances
count a third more.
"""

CATEGORIES_DARK = (
    *("#A64CA6", "#A6FF99", "#73A659", "#73B2FF", "#FFBF1A", "#59E6D9"),
    *("#4C73D9", "#BF5900", "#668059", "#CCCC99", "#9980A6", "#FF808C"),
)
"""The same for a dark ground."""


def light(dataset: int) -> str:
    """Return a dataset's color on a light ground, by its number."""
    return LIGHT[dataset % len(LIGHT)]
