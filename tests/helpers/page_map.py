"""What the map of an opened page draws of its images, and where: for tests in a browser."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from playwright.sync_api import Page

MARKS = {"dimmed": 2, "outlier": 4, "selected": 8, "neighbor": 16, "pinned": 32}

# Of a picture of a fixed size, so that the window's has no say.
_POINTS = """() => gapscope.map().visiblePoints(640, 480)
  .map(({ image, rgba, shape, state }) => [image, rgba.join(" "), shape, state])"""

_PLACES = """() => {
  const box = document.getElementById("map").getBoundingClientRect();
  return Array.from(gapscope.images.drawn, (_, image) => {
    const { x, y } = gapscope.map().place(image);
    return [box.left + x, box.top + y];
  });
}"""


class Point(NamedTuple):
    """How an image is drawn."""

    color: str
    shape: int
    state: int


def drawn(page: "Page") -> dict[int, Point]:
    """Return the point of each image that is on the map."""
    return {image: Point(*point) for image, *point in sorted(page.evaluate(_POINTS))}


def colors(page: "Page") -> list[str]:
    """Return the color of each image that is on the map."""
    return [point.color for point in drawn(page).values()]


def marked(page: "Page", mark: str) -> set[int]:
    """Return the images on the map that have a mark; see `MARKS`."""
    return {image for image, point in drawn(page).items() if point.state & MARKS[mark]}


def places(page: "Page") -> NDArray[np.float64]:
    """Return where in the window each image's point is, as (n, 2) pixels."""
    return np.array(page.evaluate(_PLACES), dtype=np.float64)


def loneliest(page: "Page") -> tuple[int, float, float]:
    """Return the number and place in the window of the point on the map that is farthest from all others."""
    points, box = places(page), page.locator("#map").bounding_box()
    assert box is not None
    apart = np.linalg.norm(points[:, None] - points[None], axis=2) + 1e9 * np.eye(len(points))
    # A map that is narrower than high cuts off points at its sides.
    low = np.array([box["x"], box["y"]]) + 10
    inside = ((points > low) & (points < low + np.array([box["width"], box["height"]]) - 20)).all(axis=1)
    image = int(np.where(inside, apart.min(axis=1), -1).argmax())
    return image, float(points[image][0]), float(points[image][1])
