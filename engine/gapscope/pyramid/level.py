"""A level of a pyramid, which knows its own name, stride and length."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Level:
    """One output of a pyramid.

    Attributes:
        name: `P2` (fine) to `P6` (coarse), by stride.
        stride: pixels of the input per position of the map.
        channels: length of its embedding.
    """

    name: str
    stride: int
    channels: int
