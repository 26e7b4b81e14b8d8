"""metrics.json: the numbers of a comparison, per dataset, and per level and ordered pair of datasets."""

from collections.abc import Container, Iterable, Mapping
from typing import Literal, NotRequired, TypedDict

import msgspec

from gapscope.errors import DamageError, one_line
from gapscope.store.atomic import write_json
from gapscope.store.box_metrics import PairBoxes
from gapscope.store.cause_metrics import Cause, WantedColumn
from gapscope.store.class_metrics import PairProbes
from gapscope.store.location import Location
from gapscope.store.run_store import RunStore

NAME = "metrics.json"


class Measure(TypedDict):
    """A number with its 95% interval and its noise floor; None for what cannot be told.

    `floor` is the same number where nothing differs. `beyond_noise` is whether the number differs from it by more than
    its own uncertainty. `ratio` is how many times the floor it is, at like numbers of images: no size, since it grows
    with these. `at_floor` is the number with as few images as the floor has, where that changes it. `p` is a p-value.
    """

    value: float
    low: float | None
    high: float | None
    floor: float | None
    ratio: float | None
    beyond_noise: bool | None
    at_floor: NotRequired[float]
    p: NotRequired[float]


class Histogram(TypedDict):
    """How often scores lie between equally spaced edges, in the query and in the reference."""

    edges: list[float]
    query: list[int]
    reference: list[int]


class RankedGroup(TypedDict):
    """A group of a ranking: its name, its representative, how many images it has, and how it scores."""

    group: str
    uri: str
    row: int
    images: int
    p: float
    q: float
    score: float | None


class PairMetrics(TypedDict):
    """The numbers of one level and ordered pair; `gapscope.compare.registry` says what each one means.

    `ranking` holds the groups that stand out most, where there are too few groups to be sure of any; it is empty
    elsewhere.
    """

    query: str
    reference: str
    images: int
    groups: int
    reference_images: int
    reference_groups: int
    outliers: int
    outlier_groups: int
    outlier_share: float
    outside: int
    under_represented: int
    share_outside: float
    share_outside_low: float
    share_outside_high: float
    coverage: float
    reference_neighbors: float
    reference_neighbors_expected: float
    gap: float
    measures: dict[str, Measure]
    scores: Histogram
    ranking: list[RankedGroup]


class StyleAsideMetrics(PairMetrics):
    """The numbers of one level and ordered pair, style aside.

    `basis` is what the list rests on: `calibrated`, `suggested`, or `ranking` for no list. `residual` is the share of
    the other dataset that is still missing among the nearest of an image, among images that are not listed, and
    `content` how well the level sees the same content in both datasets, 0 to 1; None where that cannot be told.
    `trimmed` is whether scalers were fitted to what the datasets have in common.
    """

    basis: Literal["calibrated", "suggested", "ranking"]
    residual: float
    content: float | None
    trimmed: bool


class OneSidedClusterMetrics(TypedDict):
    """A cluster that belongs to one dataset: number, size, the dataset's share, and uris of typical images."""

    cluster: int
    images: int
    dataset: str
    share: float
    typical: list[str]


class ClusterMetrics(TypedDict):
    """A level's clusters: how many, the images per cluster and dataset, and those that belong to one dataset."""

    count: int
    datasets: list[str]
    composition: list[list[int]]
    one_sided: list[OneSidedClusterMetrics]


class PairMatrix(TypedDict):
    """A table per number, a row per query and a column per reference; None for pairs that are not compared."""

    datasets: list[str]
    outlier_share: list[list[float | None]]
    gap: list[list[float | None]]


class NeighborSearchInfo(TypedDict):
    """How the neighbors of a level and ordered pair were found.

    `recall` is the share of the true neighbors that were found, measured on `sample` queries; an exact search has 1 and
    0.
    """

    method: Literal["exact", "ivf", "partitioned"]
    recall: float
    sample: int


class LayoutInfo(TypedDict):
    """How a level's map was made and how good it is; `gapscope.layout` says what the values mean."""

    strategy: Literal["full", "landmarks", "extended", "pca", "constant"]
    images: int
    umap_images: int
    note: str
    trustworthiness: float | None
    neighbor_recall: float | None
    k: int
    sample: int
    clustered: int


class LevelMetrics(TypedDict):
    """The numbers of one level; keys of all but `clusters`, `matrix` and `layout` are names of ordered pairs.

    `pairs` is the reading as it is. `style_aside` is empty where the run lacks that reading. `group_neighbors` has the
    pairs that needed a search among groups.
    """

    pairs: dict[str, PairMetrics]
    style_aside: dict[str, StyleAsideMetrics]
    clusters: ClusterMetrics
    matrix: PairMatrix
    neighbors: dict[str, NeighborSearchInfo]
    group_neighbors: dict[str, NeighborSearchInfo]
    style_aside_neighbors: dict[str, NeighborSearchInfo]
    layout: LayoutInfo


class Confounder(TypedDict):
    """A property of the files in which two datasets may differ: effect size, and the middle value on either side."""

    name: str
    effect: float
    query: float | str
    reference: float | str


class ConfounderMetrics(TypedDict):
    """How well the files alone tell two datasets apart, a warning where they do, and what differs.

    `levels` are those that a difference of files may have reached: where more is listed as it is than with each set's
    overall look taken out, or where style aside has only a ranking. It is empty without a warning, and where style
    aside has a list at no level.
    """

    auc: float
    warning: str | None
    levels: list[str]
    facts: list[Confounder]


class DuplicateCounts(TypedDict):
    """How many images have an exact and a near copy, or are too many as such.

    Of two datasets, it is how many images of the first have a copy in the second. Of one dataset, it is how many are
    too many, which are all but the first of each set of copies; `near` then counts those that are not too many as exact
    copies already.
    """

    exact: int
    near: int


class DuplicateMetrics(TypedDict):
    """How many groups of copies there are, images in them, and how many copies per two datasets.

    `repeats` is, per dataset, how many images have a copy among those that they belong together with.
    """

    groups: int
    images: int
    repeats: dict[str, int]
    pairs: dict[str, DuplicateCounts]


class AcrossLevelsCounts(TypedDict):
    """How many images any level lists, and how many are listed within the bound for all levels together."""

    listed: int
    within_fdr: int


class LimitMetrics(TypedDict):
    """What can be listed of an ordered pair at the chosen FDR.

    `smallest_gap` is how many groups of one missing kind it takes; None where not even all groups would be listed.
    `message` says so where there are few groups; None elsewhere.
    """

    smallest_gap: int | None
    message: str | None


class ValueRangeMetrics(TypedDict):
    """Which values of a kind are taken as black and white, and why."""

    kind: str
    low: float
    high: float
    basis: str


WarningKind = Literal["one-color", "black", "alike", "damaged", "no-range"]


class DatasetWarning(TypedDict):
    """What to look at before the numbers of a dataset are trusted.

    `what` is `one-color`, `black` or `alike`, of many pictures that come out so, `damaged`, of JPEGs that are damaged
    inside, or `no-range`, of images whose values are of a kind that the sample lacked. `images` is how many there are,
    `share` how many that is of all that were read (for `damaged` and `no-range`, of all that were listed), `example`
    the uri of one, and `sentence` says it in words.
    """

    what: WarningKind
    images: int
    share: float
    example: str
    sentence: str


class DatasetMetrics(TypedDict):
    """How many images a dataset has, in how many groups, and how many were rejected for which status.

    `group_rule` says where the groups come from; it is `none` where images count one by one. `class_rule` says
    where the classes come from, likewise. `listing` says in words
    what was taken and passed over, and `value_ranges` which values of other than 8 bits are black and white.
    """

    listed: int
    read: int
    rejected: int
    groups: int
    group_rule: str
    class_rule: str
    statuses: dict[str, int]
    listing: str
    value_ranges: list[ValueRangeMetrics]
    warnings: list[DatasetWarning]


class Metrics(TypedDict):
    """The content of metrics.json; keys of all but `datasets`, `duplicates` and `levels` are names of pairs.

    `level_rankings` has the levels of a pair, the most telling first. `shared_groups` says of pairs how many groups
    both datasets have. Without classes `probes` is empty, without annotations `boxes`, and
    without columns `causes` and `wanted`, which hold the strongest first.
    """

    datasets: dict[str, DatasetMetrics]
    headlines: dict[str, str]
    level_rankings: dict[str, list[str]]
    limits: dict[str, LimitMetrics]
    shared_groups: dict[str, int]
    confounders: dict[str, ConfounderMetrics]
    duplicates: DuplicateMetrics
    across_levels: dict[str, AcrossLevelsCounts]
    probes: dict[str, PairProbes]
    boxes: dict[str, PairBoxes]
    causes: dict[str, list[Cause]]
    wanted: dict[str, list[WantedColumn]]
    levels: dict[str, LevelMetrics]


def warning_sentences(metrics: Metrics) -> list[str]:
    """Return every warning of a run: of its datasets, then of pairs whose files differ."""
    of_datasets = [warning["sentence"] for each in metrics["datasets"].values() for warning in each["warnings"]]
    return of_datasets + [each["warning"] for each in metrics["confounders"].values() if each["warning"]]


def write_metrics(run: Location, metrics: Metrics) -> None:
    """Write metrics.json into folder `run`."""
    write_json(run / NAME, metrics)


def read_metrics(run: RunStore) -> Metrics:
    """Read metrics.json.

    Raises:
        FileNotFoundError: the run is not finished.
        DamageError: the file is damaged, or lacks one of the run's levels or pairs.
    """
    path = run.path / NAME
    try:
        metrics = msgspec.json.decode(path.read_bytes(), type=Metrics)
        _check_complete(run, metrics)
    except ValueError as error:
        raise DamageError(f"{path} is damaged ({one_line(error)}); see `gapscope verify {run.path}`") from error
    return metrics


def _check_complete(run: RunStore, metrics: Metrics) -> None:
    pairs = [pair.name for pair in run.pairs]
    _check_names("datasets", run.datasets, metrics["datasets"])
    _check_names("headlines", pairs, metrics["headlines"])
    _check_names("limits", pairs, metrics["limits"])
    _check_names("level_rankings", pairs, metrics["level_rankings"])
    for ranking in metrics["level_rankings"].values():
        if sorted(ranking) != sorted(run.levels):
            raise ValueError("a ranking of levels holds others than the run's")
    _check_names("levels", run.levels, metrics["levels"])
    for level in run.levels:
        readings: list[Mapping[str, PairMetrics]] = [metrics["levels"][level]["pairs"]]
        if run.record.config.compare.reads("style-aside"):
            readings.append(metrics["levels"][level]["style_aside"])
        for numbers in readings:
            _check_names(f"pairs of {level}", pairs, numbers)
        for name, scores in ((name, numbers[name]["scores"]) for numbers in readings for name in pairs):
            if not len(scores["edges"]) - 1 == len(scores["query"]) == len(scores["reference"]) > 0:
                raise ValueError(f"the histogram of {name} at {level} has {len(scores['edges'])} edges")


def _check_names(what: str, expected: Iterable[str], present: Container[str]) -> None:
    for name in expected:
        if name not in present:
            raise ValueError(f"the {what} lack {name}")
