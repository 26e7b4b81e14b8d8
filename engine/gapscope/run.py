"""A finished run, as arrays and tables."""

import json
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from gapscope.errors import DamageError, OptionError, RunError
from gapscope.neighbors.embedding_view import concat_views, open_view, view_of_array
from gapscope.settings import Preprocess
from gapscope.sources import Entry, Source, open_source
from gapscope.store.index import read_index, read_some_rows, rows_read
from gapscope.store.location import readable, resolve_location
from gapscope.store.manifests import ALL, duplicates_path, manifest_path
from gapscope.store.pairs import ordered_pairs
from gapscope.store.pyramid import open_embeddings
from gapscope.store.results import read_layout
from gapscope.store.run_record import RunRecord, read_run_record
from gapscope.store.shapes import check_shapes
from gapscope.store.tables import read_whole
from gapscope.store.thumbnails import read_thumbnails

if TYPE_CHECKING:
    import plotly.graph_objects as go


@dataclass(frozen=True)
class Run:
    """What a comparison made.

    Attributes:
        path: the run's folder.
        record: the content of its run.json.
    """

    path: Path
    record: RunRecord

    @property
    def datasets(self) -> tuple[str, ...]:
        """The datasets' names, in the order they were given."""
        return tuple(self.record.config["datasets"])

    @property
    def levels(self) -> tuple[str, ...]:
        """The levels' names, fine to coarse."""
        return tuple(self.record.config["embed"]["levels"])

    @property
    def preprocess(self) -> Preprocess:
        """How an image became the square that the network saw."""
        return Preprocess(**{name: self.record.config["embed"][name] for name in ("size", "fit", "max_pixels")})

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Every ordered pair of datasets that was compared: query, reference."""
        return ordered_pairs(self.datasets, self.record.config["compare"].get("reference"))

    def source(self, dataset: str) -> Source:
        """Return where a dataset's images are.

        Raises:
            SourceError: they are not there any more.
        """
        self._check("dataset", dataset, self.datasets)
        config = self.record.config
        return open_source(dataset, config["datasets"][dataset], objects=config["sources"]["objects"])

    def index(self, dataset: str) -> pd.DataFrame:
        """Return one row per listed image: what its source says of it, and what became of it.

        Columns: row, uri, bytes (as listed; -1 where the source does not know), mtime_ns, offset, box, encoded_bytes
        (as read), format, width, height, jpeg_quality, mean_red and so on to std_blue, status, error, and `meta.NAME`
        for every column that the source has.
        """
        self._check("dataset", dataset, self.datasets)
        table: pd.DataFrame = self.table(dataset).to_pandas()
        return table

    def table(self, dataset: str) -> pa.Table:
        """Return what `index` does as an Arrow table, which keeps numbers that are not known apart from NaN."""
        self._check("dataset", dataset, self.datasets)
        return read_index(self.path, dataset)

    def entries(self, dataset: str, rows: NDArray[np.int64]) -> list[Entry]:
        """Return what `Source.read` takes for each of the numbered rows of a dataset."""
        self._check("dataset", dataset, self.datasets)
        return read_some_rows(self.path, dataset, rows)

    def thumbnails(self, dataset: str, rows: NDArray[np.int64]) -> dict[int, bytes]:
        """Return small JPEGs of a dataset's numbered rows, as far as the run has kept them: row to encoded bytes."""
        self._check("dataset", dataset, self.datasets)
        return read_thumbnails(self.path, dataset, rows, self.record.block_rows)

    def embeddings(self, dataset: str, level: str) -> NDArray[np.float16]:
        """Return a dataset's embeddings at a level: (rows, channels) float16, NaN where an image was rejected."""
        self._check("dataset", dataset, self.datasets)
        self._check("level", level, self.levels)
        return np.asarray(open_embeddings(self.path, dataset, level)[...])

    def layout(self, level: str) -> pd.DataFrame:
        """Return dataset, row, uri, x, y, z and cluster (-1 for none) of every image that was read."""
        self._check("level", level, self.levels)
        return layout_frame(self.path, self.record, level)

    def transform(self, level: str, embeddings: NDArray[np.float16]) -> NDArray[np.float32]:
        """Return where images that are not in the run lie on a level's map, which stays as it is.

        Each lands among its nearest images on the map, whatever else is placed with it.

        Args:
            level: the level's name.
            embeddings: (n, channels), of the model that the run was made with; all finite.

        Returns:
            (n, 3) coordinates.

        Raises:
            OptionError: there is no such level, or these are no embeddings of it.
        """
        self._check("level", level, self.levels)
        return _transform(self.path, self.record, level, embeddings)

    def outliers(self, level: str, query: str, reference: str) -> pd.DataFrame:
        """Return the manifest of a level and ordered pair: the query images that the reference lacks, surest first."""
        self._check("level", level, self.levels)
        self._check("dataset", query, self.datasets)
        self._check("dataset", reference, tuple(name for name in self.datasets if name != query))
        with readable(manifest_path(self.path, level, query, reference)) as file:
            table: pd.DataFrame = read_whole(file).to_pandas()
        return table

    def outliers_across_levels(self, query: str, reference: str) -> pd.DataFrame:
        """Return the query images that any level lists, with the levels, and p and q corrected for looking at all."""
        self._check("dataset", query, self.datasets)
        self._check("dataset", reference, tuple(name for name in self.datasets if name != query))
        with readable(manifest_path(self.path, ALL, query, reference)) as file:
            table: pd.DataFrame = read_whole(file).to_pandas()
        return table

    @property
    def duplicates(self) -> pd.DataFrame:
        """The images that are there twice, within a dataset or in two of them: a row per image and its copy."""
        with readable(duplicates_path(self.path)) as file:
            table: pd.DataFrame = read_whole(file).to_pandas()
        return table

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """The content of metrics.json: the numbers per dataset, and per level and pair."""
        path = self.path / "metrics.json"
        try:
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise DamageError(f"{path} is damaged ({error}); see `gapscope verify {self.path}`") from error
        return content

    def plot(self, level: str, max_points: int = 50_000) -> "go.Figure":
        """Return a level's 3-D map as a Plotly figure, which a notebook shows by itself.

        It draws what the report draws: all listed outliers, and a random sample of the others up to `max_points`.
        """
        from gapscope.report.figure import level_figure

        self._check("level", level, self.levels)
        return level_figure(self, level, max_points)

    @property
    def report(self) -> Path:
        """Path of the report page."""
        return self.path / "report" / "index.html"

    def _check(self, what: str, name: str, known: tuple[str, ...]) -> None:
        if name not in known:
            raise OptionError(f"{what} {name!r}: this run has {', '.join(known)}")


def open_run(path: str | PathLike[str]) -> Run:
    """Open a finished run, in a folder or behind a URL.

    Raises:
        RunError: the folder is no run, its comparison is not finished, or it is damaged; what a run from somebody else
            holds is seen to be a run's before it is read.
    """
    folder = resolve_location(path)
    run = Run(folder, read_run_record(folder))
    if not (folder / "metrics.json").exists():
        raise RunError(
            f"{folder} is not finished: run its `gapscope compare` command again, it goes on where it stopped"
        )
    check_shapes(folder, run.record)
    return run


def layout_frame(run: Path, record: RunRecord, level: str) -> pd.DataFrame:
    """Return dataset, row, uri, x, y, z and cluster of every image that was read, the same rows for each level."""
    points, clusters = read_layout(run, level)
    parts = []
    first = 0
    for name, facts in record.datasets.items():
        rows = rows_read(run, name)
        here = points[first + rows]
        parts.append(
            pd.DataFrame(
                {
                    "dataset": name,
                    "row": rows,
                    "uri": read_index(run, name, ["uri"])["uri"].take(rows).to_pandas(),
                    "x": here[:, 0],
                    "y": here[:, 1],
                    "z": here[:, 2],
                    "cluster": np.asarray(clusters[first + rows]),
                }
            )
        )
        first += facts["listed"]
    return pd.concat(parts, ignore_index=True)


def _transform(run: Path, record: RunRecord, level: str, embeddings: NDArray[np.float16]) -> NDArray[np.float32]:
    """Return (n, 3) places of embeddings (n, channels) among all images of a level's map.

    Raises:
        OptionError: the shape is another level's or model's, or a value is not finite.
    """
    # Here, not at the top: these bring torch, and whoever opens a run only to read it does without.
    from gapscope.device import choose_device
    from gapscope.layout.interpolate import interpolate_coordinates

    views = [open_view(run, record, name, level) for name in record.datasets]
    channels = views[0].channels
    if embeddings.ndim != 2 or embeddings.shape[1] != channels:
        raise OptionError(f"embeddings of shape {embeddings.shape}: level {level} takes (images, {channels})")
    if not np.isfinite(embeddings).all():
        raise OptionError("embeddings hold NaN or infinity: leave out images that could not be embedded")
    if not len(embeddings):
        return np.empty((0, 3), np.float32)
    points = layout_frame(run, record, level)[["x", "y", "z"]].to_numpy(np.float32)
    return interpolate_coordinates(
        view_of_array(views[0], embeddings), concat_views(views), points, choose_device("cpu")
    )
