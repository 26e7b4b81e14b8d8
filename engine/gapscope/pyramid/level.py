"""A level of a pyramid: its name, stride and number of channels."""

from dataclasses import dataclass

Outputs = dict[str, str]
"""The names that a network gives its outputs, fine to coarse, mapped to the names of levels, which go by stride."""


@dataclass(frozen=True)
class Level:
    """One output of a pyramid.

    Attributes:
        name: `P2` (fine) to `P7` (coarse); the stride is 2 to the power of that number.
        stride: pixels of the input per position of the map.
        channels: number of channels of the map.
    """

    name: str
    stride: int
    channels: int
