"""Which level's heat maps are shown first."""

from collections.abc import Mapping

_POINTING_WEIGHT = 20.0


def opening_level(focus: Mapping[str, float], pointing: Mapping[str, float]) -> str:
    """Return the level that points best at what differs in some images, without knowing where that is.

    A level is good where it was good at squares pasted into the reference's images, and the better, the more its maps
    of these images point at one place. With both it was the best level, or as good, for all kinds of squares tried.

    Args:
        focus: by level, the mean of `Bank.focus_of` over the images.
        pointing: by level, as in `Bank`.

    Example:
        >>> opening_level({"P3": 0.5, "P5": 0.2}, {"P3": 0.7, "P5": 0.9})
        'P5'
    """
    return max(focus, key=lambda level: focus[level] + _POINTING_WEIGHT * pointing[level])
