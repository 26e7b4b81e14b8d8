"""A finished run, as arrays and tables."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from gapscope.errors import OptionError, RunError
from gapscope.neighbors.embedding_view import concat_views, open_views, view_of_array
from gapscope.settings import Preprocess, Reading, RelocateOption, ReportSettings
from gapscope.sources import Entry, Source
from gapscope.sources.relocated import parse_relocations
from gapscope.store.classes import read_class_table
from gapscope.store.datasets import Pair
from gapscope.store.gaps import COLUMNS, Gaps, read_gaps, read_members
from gapscope.store.groups import read_groups
from gapscope.store.heat_maps import read_heat_maps, unpack_map
from gapscope.store.index import read_entries, read_index, rows_read
from gapscope.store.layouts import read_layout
from gapscope.store.location import Location, LocationLike, resolve_location
from gapscope.store.manifests import ALL, read_duplicates, read_groups_manifest, read_manifest
from gapscope.store.metrics import NAME as METRICS
from gapscope.store.metrics import Metrics, read_metrics
from gapscope.store.pyramid import open_embeddings
from gapscope.store.run_record import RunRecord
from gapscope.store.run_store import RunStore, open_store
from gapscope.store.scores import read_scores
from gapscope.store.shapes import check_shapes
from gapscope.store.thumbnails import read_thumbnails

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from gapscope.report.notebook import PageFrame


@dataclass(frozen=True)
class Run:
    """What a comparison made.

    Attributes:
        store: the run on disk.

    Example:
        >>> import gapscope
        >>> run = gapscope.open_run("runs/monday")
        >>> run.datasets, run.levels
        (('real', 'synthetic'), ('P3', 'P5'))
        >>> [pair.name for pair in run.pairs]
        ['real-vs-synthetic', 'synthetic-vs-real']
        >>> run.metrics["levels"]["P3"]["pairs"]["real-vs-synthetic"]["outliers"]
        20
        >>> run.duplicates.columns[:4].tolist()
        ['group', 'match', 'dataset', 'uri']
    """

    store: RunStore

    def __repr__(self) -> str:
        """Return what the run compares, and how many kinds it found, in one line.

        Example:
            >>> import gapscope
            >>> gapscope.open_run("runs/monday")  # doctest: +ELLIPSIS
            <Run .../monday: real, synthetic at P3, P5; 1 kind>
        """
        kinds = len(self.gaps_record["kinds"])
        found = f"{kinds} kind{'' if kinds == 1 else 's'}"
        return f"<Run {self.path}: {', '.join(self.datasets)} at {', '.join(self.levels)}; {found}>"

    def _repr_html_(self) -> str:
        """Return the run for a notebook: sentences, and the worst kinds as cards with pictures."""
        from gapscope.report.notebook import run_html

        return run_html(self.store, self.gaps_record, self.metrics)

    def show(self, height: int = 900) -> "PageFrame":
        """Return the report page, which a notebook shows in a frame.

        The page is in the notebook itself, pictures included, so that it needs no server and is there when the notebook
        is opened elsewhere.

        Args:
            height: of the frame, in pixels.

        Raises:
            RunError: the run has no report.

        Example:
            >>> import gapscope
            >>> frame = gapscope.open_run("runs/monday").show()
            >>> frame._repr_html_()[:15]
            '<iframe srcdoc='
        """
        from gapscope.report.notebook import page_frame

        return page_frame(self.store, height)

    @property
    def path(self) -> Location:
        """The run's folder."""
        return self.store.path

    @property
    def record(self) -> RunRecord:
        """The content of run.json."""
        return self.store.record

    @property
    def datasets(self) -> tuple[str, ...]:
        """The datasets' names, in the order in which they were given."""
        return self.store.datasets

    @property
    def levels(self) -> tuple[str, ...]:
        """The levels' names, fine to coarse."""
        return self.store.levels

    @property
    def preprocess(self) -> Preprocess:
        """How an image became the square that the network saw, but for the ranges of each dataset's values."""
        return self.record.config.embed.preprocess

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """Every ordered pair of datasets that was compared: query, reference."""
        return self.store.pairs

    def source(self, dataset: str) -> Source:
        """Return where a dataset's images are.

        Raises:
            SourceError: they are not there any more.

        Example:
            >>> import gapscope
            >>> run = gapscope.open_run("runs/monday")
            >>> run.source("real").location.endswith("photos")
            True
        """
        self._check("dataset", dataset, self.datasets)
        return self.store.open_source(dataset)

    def index(self, dataset: str) -> pd.DataFrame:
        """Return one row per listed image: what its source says of it, and what became of it.

        Columns: row, uri, bytes (as listed; -1 where the source does not know), mtime_ns, offset, box (left, top, width
        and height, and the size of the image that they were measured in), encoded_bytes (as read), format, width,
        height, jpeg_quality, mean_red and so on to std_blue, sharpness, damage (of JPEGs that were kept although they
        are damaged inside), status, error, and `meta.NAME` for every column that the source has.

        Example:
            >>> import gapscope
            >>> run = gapscope.open_run("runs/monday")
            >>> run.index("real").loc[:1, ["format", "width", "height", "status"]]
              format  width  height status
            0    PNG     64      64     ok
            1    PNG     64      64     ok
        """
        table: pd.DataFrame = self.table(dataset).to_pandas()
        return table

    def table(self, dataset: str) -> pa.Table:
        """Return what `index` does as an Arrow table, in which a missing number is null, not NaN.

        Example:
            >>> import gapscope
            >>> run = gapscope.open_run("runs/monday")
            >>> run.table("real")["jpeg_quality"].null_count
            60
        """
        self._check("dataset", dataset, self.datasets)
        return read_index(self.store, dataset)

    def entries(self, dataset: str, rows: NDArray[np.int64]) -> list[Entry]:
        """Return what `Source.read` takes for each of the numbered rows of a dataset.

        Example:
            >>> import gapscope
            >>> import numpy as np
            >>> run = gapscope.open_run("runs/monday")
            >>> (entry,) = run.entries("real", np.array([7]))
            >>> run.source("real").read(entry)[1:4]
            b'PNG'
        """
        self._check("dataset", dataset, self.datasets)
        return read_entries(self.store, dataset, rows)

    def thumbnails(self, dataset: str, rows: NDArray[np.int64]) -> dict[int, bytes]:
        r"""Return the thumbnails of a dataset's numbered rows, as far as the run has kept them: JPEG bytes by row.

        Example:
            >>> import gapscope
            >>> import numpy as np
            >>> run = gapscope.open_run("runs/monday")
            >>> pictures = run.thumbnails("real", np.array([7, 8]))
            >>> pictures[7][:3]
            b'\xff\xd8\xff'
        """
        self._check("dataset", dataset, self.datasets)
        return read_thumbnails(self.store, dataset, rows)

    def embeddings(self, dataset: str, level: str) -> NDArray[Any]:
        """Return a dataset's embeddings at a level: (rows, channels), NaN where an image was rejected.

        They are float16, or as they were given where the dataset brings them.

        Example:
            >>> import gapscope
            >>> run = gapscope.open_run("runs/monday")
            >>> run.embeddings("real", "P5").shape
            (60, 320)
        """
        self._check("dataset", dataset, self.datasets)
        self._check("level", level, self.levels)
        return np.asarray(open_embeddings(self.store, dataset, level)[...])

    def layout(self, level: str) -> pd.DataFrame:
        """Return dataset, row, uri, x, y, z and cluster (-1 for none) of every embedded image.

        The rows are the same for every level.

        Example:
            >>> import gapscope
            >>> run = gapscope.open_run("runs/monday")
            >>> run.layout("P5").groupby("dataset").size().to_dict()
            {'real': 60, 'synthetic': 60}
        """
        self._check("level", level, self.levels)
        coordinates, clusters = read_layout(self.store, level)
        parts = []
        for name, part in self.record.row_slices.items():
            rows = rows_read(self.store, name)
            own = coordinates[part][rows]
            parts.append(
                pd.DataFrame(
                    {
                        "dataset": name,
                        "row": rows,
                        "uri": read_index(self.store, name, ["uri"])["uri"].take(rows).to_pandas(),
                        "x": own[:, 0],
                        "y": own[:, 1],
                        "z": own[:, 2],
                        "cluster": clusters[part][rows],
                    }
                )
            )
        return pd.concat(parts, ignore_index=True)

    def transform(self, level: str, embeddings: NDArray[np.float16]) -> NDArray[np.float32]:
        """Return coordinates on a level's map of images that are not in the run; the map stays as it is.

        Each lies among its nearest images on the map, whatever else is transformed with it.

        Args:
            level: the level's name.
            embeddings: (n, channels), of the model that the run was made with; all finite.

        Returns:
            (n, 3) coordinates.

        Raises:
            OptionError: there is no such level, the shape is another level's or model's, or a value is not finite.

        Example:
            >>> import gapscope
            >>> run = gapscope.open_run("runs/monday")
            >>> run.transform("P5", run.embeddings("real", "P5")[:3]).shape
            (3, 3)
        """
        self._check("level", level, self.levels)
        views = open_views(self.store, level)
        channels = views[0].channels
        if embeddings.ndim != 2 or embeddings.shape[1] != channels:
            raise OptionError(f"embeddings of shape {embeddings.shape}: level {level} takes (images, {channels})")
        if not np.isfinite(embeddings).all():
            raise OptionError("embeddings hold NaN or infinity: leave out images that could not be embedded")
        if not len(embeddings):
            return np.empty((0, 3), np.float32)
        # Imported here: these import torch, which reading a run does not need.
        from gapscope.device import choose_device
        from gapscope.layout.interpolate import interpolate_coordinates

        coordinates, _ = read_layout(self.store, level)
        slices = self.record.row_slices.values()
        known = np.concatenate([coordinates[part][view.rows] for part, view in zip(slices, views, strict=True)])
        query = view_of_array(views[0], embeddings)
        return interpolate_coordinates(query, concat_views(views), known, choose_device("cpu"))

    def outliers(self, level: str, query: str, reference: str, reading: Reading = "as-is") -> pd.DataFrame:
        """Return the manifest of a level and ordered pair: the query images that the reference lacks, surest first.

        Style aside, it holds the first thousand of the ranking, with `listed` false, where nothing may be listed.

        Raises:
            RunError: the run lists nothing in this reading.

        Example:
            >>> import gapscope
            >>> run = gapscope.open_run("runs/monday")
            >>> run.outliers("P3", "real", "synthetic")["row"].min()  # Rows 40 to 59 are pictures of stripes.
            np.int64(40)
            >>> len(run.outliers("P3", "real", "synthetic"))
            20
            >>> run.outliers("P3", "real", "synthetic", "style-aside").columns[:4].tolist()
            ['rank', 'uri', 'row', 'listed']
        """
        self._check("level", level, self.levels)
        return self._manifest(level, query, reference, reading)

    def scores(self, level: str, query: str, reference: str, reading: Reading = "as-is") -> pd.DataFrame:
        """Return the scores of every query image: how far it is from the reference, and how sure that is.

        `listed` is whether the outlier list may hold it, and `reference_neighbors` the share of the reference among its
        nearest of both datasets.

        Raises:
            RunError: the run lists nothing in this reading.

        Example:
            >>> import gapscope
            >>> run = gapscope.open_run("runs/monday")
            >>> scores = run.scores("P5", "real", "synthetic", "style-aside")
            >>> scores.columns.tolist(), scores["score"].idxmax() >= 40  # Rows 40 to 59 are pictures of stripes.
            (['row', 'score', 'p', 'listed', 'reference_neighbors'], True)
        """
        self._check("level", level, self.levels)
        pair = self._check_pair(query, reference, reading)
        table: pd.DataFrame = read_scores(self.path, level, pair, reading).to_pandas()
        return table

    def classes(self) -> pd.DataFrame:
        """Return the gap of every class: a row per ordered pair, reading, level and class; no rows without classes.

        Columns: query, reference, reading, level, class, images and groups that have the class in the query,
        reference_images and reference_groups, share_listed, gap with gap_low and gap_high (a 95% interval),
        beyond_noise, and nearest_class with nearest_share, the class that most of its nearest in the reference have.

        Example:
            >>> import gapscope
            >>> run = gapscope.open_run("runs/monday")
            >>> run.classes().columns[:5].tolist()
            ['query', 'reference', 'reading', 'level', 'class']
        """
        table: pd.DataFrame = read_class_table(self.store).to_pandas()
        return table

    def outliers_across_levels(self, query: str, reference: str) -> pd.DataFrame:
        """Return the query images that any level lists, with the levels, and p and q corrected for looking at all.

        Example:
            >>> import gapscope
            >>> run = gapscope.open_run("runs/monday")
            >>> outliers = run.outliers_across_levels("real", "synthetic")
            >>> outliers["levels"].iloc[0].tolist()
            ['P3', 'P5']
        """
        return self._manifest(ALL, query, reference, "as-is")

    def groups(self, dataset: str) -> pd.DataFrame:
        """Return the group of every embedded image: row, uri, group, and `representative` for one image of each group.

        A representative stands for its group wherever images look for neighbors. Where images count one by one, each is
        a group that has its uri as name.

        Example:
            >>> import gapscope
            >>> run = gapscope.open_run("runs/monday")
            >>> groups = run.groups("real")
            >>> groups["group"].nunique(), groups["representative"].all()
            (60, np.True_)
        """
        self._check("dataset", dataset, self.datasets)
        groups = read_groups(self.store, dataset)
        uris = read_index(self.store, dataset, ["uri"])["uri"].take(pa.array(groups.rows)).to_pandas()
        table = pd.DataFrame({"row": groups.rows, "uri": uris, "group": uris, "representative": False})
        if groups.names is not None:
            table["group"] = groups.names.take(pa.array(groups.group)).to_pandas()
        table.loc[groups.representative, "representative"] = True
        return table

    def group_outliers(self, level: str, query: str, reference: str, reading: Reading = "as-is") -> pd.DataFrame:
        """Return the ranking of the query's groups: all that are listed, and at least the first thousand.

        Raises:
            RunError: the query's images count one by one, so that `outliers` says all, or the run lists nothing in this
                reading.

        Example:
            >>> import gapscope
            >>> run = gapscope.open_run("runs/clips")
            >>> ranking = run.group_outliers("P5", "drives", "renders")
            >>> ranking["images"].unique().tolist(), ranking["listed"].sum()
            ([4], np.int64(5))
        """
        self._check("level", level, self.levels)
        pair = self._check_pair(query, reference, reading)
        try:
            table: pd.DataFrame = read_groups_manifest(self.path, level, pair, reading).to_pandas()
        except FileNotFoundError:
            raise RunError(f"the images of {query} count one by one; see `Run.outliers`") from None
        return table

    def _manifest(self, level: str, query: str, reference: str, reading: Reading) -> pd.DataFrame:
        pair = self._check_pair(query, reference, reading)
        table: pd.DataFrame = read_manifest(self.path, level, pair, reading=reading).to_pandas()
        return table

    def _check_pair(self, query: str, reference: str, reading: Reading) -> Pair:
        self._check("dataset", query, self.datasets)
        self._check("dataset", reference, tuple(name for name in self.datasets if name != query))
        readings = self.record.config.compare.listed_readings
        if reading not in readings:
            raise RunError(f"{self.path} lists nothing {reading}: it was compared with readings {', '.join(readings)}")
        return Pair(query, reference)

    @property
    def duplicates(self) -> pd.DataFrame:
        """The images that are there twice, within a dataset or in two of them: a row per image and its copy."""
        table: pd.DataFrame = read_duplicates(self.path).to_pandas()
        return table

    @property
    def gaps(self) -> pd.DataFrame:
        """The kinds of image that a dataset lacks, or that differ, the worst first: the columns of gaps.csv.

        Lists stay lists. q is NaN where nothing is guaranteed, and `name` is empty where there is none. The content of
        gaps.json, which has more, is in `gaps_record`.

        Example:
            >>> import gapscope
            >>> run = gapscope.open_run("runs/monday")
            >>> run.gaps.columns[:6].tolist()
            ['id', 'sort', 'query', 'reference', 'name', 'name_source']
        """
        rows = [
            {
                **gap,
                "examples": [picture["uri"] for picture in gap["pictures"]],
                "counterparts": [picture["counterpart"] for picture in gap["pictures"]],
            }
            for gap in self.gaps_record["kinds"]
        ]
        return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"q": "float64", "share": "float64"})

    def gap_images(self, kind: str) -> pd.DataFrame:
        """Return the images of a kind, by its id: kind, dataset, row and uri.

        Raises:
            OptionError: the run has no such kind.

        Example:
            >>> import gapscope
            >>> run = gapscope.open_run("runs/monday")
            >>> run.gap_images("K1")["row"].min()  # Rows 40 to 59 are pictures of stripes.
            np.int64(40)
        """
        self._check("kind", kind, tuple(gap["id"] for gap in self.gaps_record["kinds"]))
        table: pd.DataFrame = read_members(self.store).filter(pc.field("kind") == kind).to_pandas()
        return table

    @property
    def heat_maps(self) -> pd.DataFrame:
        """Where in the pictures of kinds and the first outliers something is unlike the reference: a row per level.

        Its columns are dataset, row, uri, reference, level, pointing, focus, map and reason. `map` is a float16 array
        (28, 28) over the square that the network saw: 0 is as unlike as the median place of the reference, 1 as one
        place in 100 is. `pointing` says how well the level points at squares pasted into the reference's images, as the
        area under the ROC curve, and `focus` how much more the map points at one place than those of the reference's
        images do. An image without heat maps has one row, with the reason. The table is empty where none were made.

        Example:
            >>> import gapscope
            >>> run = gapscope.open_run("runs/monday")
            >>> run.heat_maps.columns[:5].tolist()
            ['dataset', 'row', 'uri', 'reference', 'level']
        """
        table: pd.DataFrame = read_heat_maps(self.store).to_pandas()
        maps = [None if data is None else unpack_map(data) for data in table["map"]]
        table["map"] = pd.Series(maps, index=table.index, dtype=object)
        return table

    @cached_property
    def gaps_record(self) -> Gaps:
        """The content of gaps.json."""
        return read_gaps(self.store)

    @cached_property
    def metrics(self) -> Metrics:
        """The content of metrics.json: the numbers per dataset, and per level and pair."""
        return read_metrics(self.store)

    def plot(self, level: str, max_points: int = ReportSettings.max_points) -> "go.Figure":
        """Return a level's 3-D map as a Plotly figure, which a notebook shows by itself.

        It draws what the report draws: all listed outliers, and a random sample of the others up to `max_points`.

        Example:
            >>> import gapscope
            >>> run = gapscope.open_run("runs/monday")
            >>> figure = run.plot("P5")
            >>> sum(len(trace.x) for trace in figure.data)
            120
        """
        from gapscope.report.figure import level_figure

        self._check("level", level, self.levels)
        return level_figure(self.store, level, max_points)

    @property
    def report(self) -> Location:
        """Path of the report page."""
        return self.path / "report" / "index.html"

    def _check(self, what: str, name: str, known: tuple[str, ...]) -> None:
        if name not in known:
            raise OptionError(f"{what} {name!r}: this run has {', '.join(known)}")


def open_run(path: LocationLike, *, relocate: RelocateOption = ()) -> Run:
    """Open a finished run, in a folder or behind a URL.

    Args:
        path: the run's folder or URL.
        relocate: where images are on this machine: new beginnings of paths or URLs by old ones, or `OLD=NEW` texts.

    Raises:
        RunError: the folder is no run, its comparison is not finished, or it is damaged. A run may come from somebody
            else: what it holds is checked to be a run's before it is read.

    Example:
        >>> import gapscope
        >>> gapscope.open_run("runs/monday").report.name
        'index.html'
    """
    store = open_store(resolve_location(path), parse_relocations(relocate))
    if not (store.path / METRICS).exists():
        raise RunError(
            f"{store.path} is not finished: `gapscope resume {store.path}`, or its `gapscope compare` command again, "
            "goes on where it stopped"
        )
    check_shapes(store)
    return Run(store)
