"""A finished run, as arrays and tables."""

import json
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from gapscope.compare.manifest import manifest_path
from gapscope.errors import OptionError, RunError
from gapscope.layout.frame import layout_frame
from gapscope.settings import Frame
from gapscope.sources import Entry, Source, open_source
from gapscope.store.index import read_index, read_some_rows
from gapscope.store.pyramid import open_embeddings
from gapscope.store.record import Record, read_record
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
    record: Record

    @property
    def datasets(self) -> tuple[str, ...]:
        """The datasets' names, in the order they were given."""
        return tuple(self.record.config["datasets"])

    @property
    def levels(self) -> tuple[str, ...]:
        """The levels' names, fine to coarse."""
        return tuple(self.record.config["embed"]["levels"])

    @property
    def frame(self) -> Frame:
        """How an image became the square that the network saw."""
        return Frame(**{name: self.record.config["embed"][name] for name in ("size", "fit", "max_pixels")})

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Every ordered pair of datasets: query, reference."""
        return tuple(permutations(self.datasets, 2))

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

        Columns: row, uri, bytes, mtime_ns, place, box, format, width, height, jpeg_quality, mean_red and so on to
        spread_blue, status, error, and `meta.NAME` for every column that the source has.
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

    def outliers(self, level: str, query: str, reference: str) -> pd.DataFrame:
        """Return the manifest of a level and ordered pair: the query images that the reference lacks, surest first."""
        self._check("level", level, self.levels)
        self._check("dataset", query, self.datasets)
        self._check("dataset", reference, tuple(name for name in self.datasets if name != query))
        table: pd.DataFrame = pq.read_table(manifest_path(self.path, level, query, reference)).to_pandas()
        return table

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """The content of metrics.json: the numbers per dataset, and per level and pair."""
        content: dict[str, Any] = json.loads((self.path / "metrics.json").read_text(encoding="utf-8"))
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


def open_run(path: str | Path) -> Run:
    """Open a finished run.

    Raises:
        RunError: the folder is no run, or its comparison is not finished.
    """
    folder = Path(path).expanduser().absolute()
    run = Run(folder, read_record(folder))
    if not (folder / "metrics.json").exists():
        raise RunError(
            f"{folder} is not finished: run its `gapscope compare` command again, it goes on where it stopped"
        )
    return run
