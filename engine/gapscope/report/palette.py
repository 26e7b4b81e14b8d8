"""The colors of datasets, in every picture the same."""

LIGHT = ("#0072B2", "#D55E00", "#009E73", "#B8548F", "#C98500", "#2E9BDB", "#111111", "#A79B00")
"""Okabe and Ito's colors (2008), told apart by color-blind eyes too; some are shifted where white would hide them."""

DARK = ("#3E9FE0", "#E8702A", "#14B888", "#D58BB4", "#E69F00", "#8CCBF2", "#F2F2F2", "#F0E442")
"""The same for a dark ground."""


def light(dataset: int) -> str:
    """Return a dataset's color on a light ground, by its number."""
    return LIGHT[dataset % len(LIGHT)]
