"""Images that are in no dataset of a run, on the run's maps."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gapscope.device import choose_device
from gapscope.errors import OptionError
from gapscope.layout.frame import layout_frame
from gapscope.layout.gather import gathered, given
from gapscope.layout.place import place
from gapscope.neighbors.stage import unit_rows
from gapscope.store.record import Record


def place_on_map(run: Path, record: Record, level: str, embeddings: NDArray[np.float16]) -> NDArray[np.float32]:
    """Return (n, 3) places of embeddings (n, channels) among all images of a level's map.

    Raises:
        OptionError: the shape is another level's or model's, or a value is not finite.
    """
    views = [unit_rows(run, record, name, level) for name in record.datasets]
    channels = views[0].channels
    if embeddings.ndim != 2 or embeddings.shape[1] != channels:
        raise OptionError(f"embeddings of shape {embeddings.shape}: level {level} takes (images, {channels})")
    if not np.isfinite(embeddings).all():
        raise OptionError("embeddings hold NaN or infinity: leave out images that could not be embedded")
    if not len(embeddings):
        return np.empty((0, 3), np.float32)
    points = layout_frame(run, record, level)[["x", "y", "z"]].to_numpy(np.float32)
    return place(given(views[0], embeddings), gathered(views), points, choose_device("cpu"))
