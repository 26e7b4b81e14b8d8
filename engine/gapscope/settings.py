"""Every option: its default, choices, bounds and help text, in one frozen dataclass per stage.

The command line and the signature of `gapscope.compare` take them from here, and tests hold the README to them.
"""

import dataclasses
import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from os import PathLike
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from gapscope.errors import OptionError

Fit = Literal["crop", "stretch", "pad"]
Precision = Literal["auto", "float32", "bfloat16"]
Pool = Literal["mean", "max", "gem", "grid", "cls"]
Metric = Literal["cosine", "euclidean"]
Thumbnails = Literal["off", "outliers", "drawn"]
HeatMaps = Literal["off", "kinds", "all"]
DeviceName = Literal["auto", "cpu", "cuda"]
Speedup = Literal["pooled-fpn", "fold", "channels-last", "compile"]
ExportFormat = Literal[
    "coco",
    "yolo",
    "cvat",
    "label-studio",
    "fiftyone",
    "spotlight",
    "embedding-atlas",
    "projector",
    "parquet",
    "stills",
]
Reading = Literal["as-is", "style-aside"]
"""How datasets are compared: as they look, or each by its own mean and spread, without a uniform difference of look."""
Readings = Literal["as-is", "style-aside", "both"]
GroupSource = Literal["auto", "none", "folder", "tar", "column", "pattern"]
ClassSource = Literal["auto", "none", "folder", "annotations", "column"]
GroupValues = str | Collection[object]
"""How the groups of one dataset are found: in the words of `--group`, or one value per listed image."""

SPEEDUPS: tuple[Speedup, ...] = get_args(Speedup)
"""What makes a network faster and changes no more than the last bits of its output."""

DEFAULT_MODEL = "fasterrcnn_resnet50_fpn_v2"
MAX_PIXELS = 200_000_000
_DATASET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Help:
    """Marks a field as an option that users set, and describes it."""

    text: str


@dataclass(frozen=True)
class Bounds:
    """Smallest and largest value of an option; without `high` there is no largest."""

    low: float
    high: float | None = None


_SIZE = Bounds(64, 4096)


def check_dataset_name(name: str) -> str:
    """Return `name` if it can name a dataset, which also names files and Zarr groups.

    Raises:
        OptionError: the name has other characters, is too long, or holds the word that joins two names.

    Example:
        >>> check_dataset_name("synthetic-2.0")
        'synthetic-2.0'
    """
    if not _DATASET_NAME.fullmatch(name):
        raise OptionError(
            f"dataset name {name!r}: use 1 to 64 letters, digits, '.', '_' or '-', starting with a letter or digit"
        )
    for suffix, of in ((".groups", "groups"), (".style-aside", "the reading style aside")):
        if name.endswith(suffix):
            raise OptionError(f"dataset name {name!r}: {suffix!r} ends the names of files of {of}, so no dataset's can")
    if "-vs-" in name:
        raise OptionError(f"dataset name {name!r}: '-vs-' joins the two names of a pair, so a name cannot hold it")
    return name


@dataclass(frozen=True)
class ValueRange:
    """Which values of images with other than 8 bits are black and white.

    Attributes:
        kind: the kind of values, such as `uint16` or `float`; empty for every kind.
        low: becomes black.
        high: becomes white.
        basis: why, as it follows the range in a sentence.

    Example:
        >>> str(ValueRange("uint32", 0.0, 16777217.0))
        '0:16777217'
    """

    kind: str
    low: float
    high: float
    basis: str = ""

    def __str__(self) -> str:
        """Return `LOW:HIGH`, as the option takes it; different ranges are different texts."""
        return f"{self.low:.15g}:{self.high:.15g}"


RelocateOption = Mapping[str, str] | Sequence[str]
"""`OLD=NEW` texts, or new by old."""

VectorsOption = Mapping[str, Any] | Sequence[str]
"""`NAME=SOURCE` texts; or by dataset, a source or an array by level."""

ValueRangeOption = str | tuple[float, float] | Mapping[str, str | tuple[float, float]]
"""The range of all datasets, as `LOW:HIGH`, `auto` or two numbers; that of one, as `NAME=LOW:HIGH`; or a dict."""


def parse_value_range(text: str | tuple[float, float]) -> ValueRange | None:
    """Return the range that an argument `value_range` describes for one dataset; None for `auto`.

    Raises:
        OptionError: it is none.

    Example:
        >>> parse_value_range("0:4095")
        ValueRange(kind='', low=0.0, high=4095.0, basis='as given by hand')
    """
    if text == "auto":
        return None
    try:
        low, high = (float(end) for end in (text.split(":") if isinstance(text, str) else text))
    except (TypeError, ValueError):
        raise OptionError(
            "give LOW:HIGH, the values that are black and white, such as 0:4095; or auto",
            argument="value_range",
            value=text,
        ) from None
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise OptionError("the first number must be below the second", argument="value_range", value=text)
    return ValueRange("", low, high, "as given by hand")


class _Checked:
    """Checks the choices and bounds of its fields' types when it is made; None passes."""

    def __post_init__(self) -> None:
        settings: Any = type(self)
        for name, (choices, bounds) in _constraints(settings).items():
            value = getattr(self, name)
            if value is not None:
                _check_choice(name, value, choices)
                _check_bounds(name, value, bounds)


@dataclass(frozen=True, kw_only=True)
class RunSettings(_Checked):
    """Where a run is kept, and what becomes of an earlier one there."""

    out: Annotated[
        str | PathLike[str],
        Help(
            "Folder of the run, or a URL such as s3://bucket/run: new, empty, or holding this very run, which then "
            "goes on where it stopped."
        ),
    ]
    update: Annotated[
        bool,
        Help(
            "Where a dataset has changed since the run was begun, embed what is new, drop what is gone, and compare "
            "again with the scaler that the run was begun with. Datasets that the run lacks are added, and datasets "
            "that are not named are dropped."
        ),
    ] = False
    allow_missing: Annotated[
        bool, Help("Go on where more than half of a dataset's images are missing or cannot be read.")
    ] = False


@dataclass(frozen=True, kw_only=True)
class ModelSettings(_Checked):
    """Which network embeds, and what of each image: the user's choice, where None leaves it to the model."""

    model: Annotated[
        str,
        Help(
            "fasterrcnn_resnet50_fpn_v2 (torchvision's, trained on COCO, downloaded on first use), bundled "
            "(EfficientNet-Lite0, needs no network), timm: and the name of a backbone of timm's, or another that "
            "`gapscope models` lists."
        ),
    ] = DEFAULT_MODEL
    weights: Annotated[
        str | PathLike[str] | None,
        Help("File to use in place of the model's own weights: a state dict or safetensors."),
    ] = None
    levels: Annotated[
        Sequence[str] | None,
        Help(
            "Names of the levels to keep: of the network, from P2 (fine texture) to P6 (whole scene), and of vectors "
            "that datasets bring; by default those that they bring, or all of the network's if they bring none."
        ),
    ] = None
    size: Annotated[
        int | None,
        Help(
            "Side in pixels of the square that the network sees, a multiple of 32, or of a transformer's patches; the "
            "model's own by default."
        ),
        _SIZE,
    ] = None
    objects: Annotated[
        bool,
        Help(
            "Of annotated datasets (COCO, YOLO, Pascal VOC, KITTI, CVAT, Label Studio, Hugging Face), compare the "
            "objects, each cropped with a margin, instead of whole images."
        ),
    ] = False
    mask: Annotated[
        bool,
        Help(
            "Of objects, replace what is outside of their polygons or masks by the dataset's mean color, so that "
            "backgrounds are not compared."
        ),
    ] = False
    min_side: Annotated[
        int, Help("Leave out objects whose box has a side of fewer pixels than this."), Bounds(0, 2**31 - 1)
    ] = 0
    vectors: Annotated[
        VectorsOption,
        Help(
            "Vectors from elsewhere of a dataset's images, as further levels: NAME=SOURCE, such as "
            "real=clip.npy::clip, with one vector per image in the order in which they are listed. More than one may "
            "be given."
        ),
    ] = ()
    value_range: Annotated[
        ValueRangeOption,
        Help(
            "Of images with other than 8 bits: the values that are black and white, as LOW:HIGH, such as 0:4095; or "
            "auto, to settle it once per dataset from the files' tags or their values. NAME=... is for one dataset."
        ),
    ] = "auto"


@dataclass(frozen=True, kw_only=True)
class Preprocess(_Checked):
    """How an image becomes the square that the network sees.

    Attributes:
        size: side of the square, in pixels.
        value_ranges: of the image's dataset, for values of other than 8 bits; None where no dataset is known.
        background: sRGB color of what is outside of an object's outline; None to keep what is there.
    """

    size: Annotated[int, _SIZE]
    fit: Annotated[
        Fit,
        Help(
            "How an image becomes that square: crop scales the short side to it and keeps the center, stretch scales "
            "both sides, which changes the aspect ratio, and pad scales the long side and centers the image on gray."
        ),
    ] = "crop"
    # A small file can claim to be huge.
    max_pixels: Annotated[
        int, Help("Images with more pixels are rejected before they are decoded."), Bounds(1, 2**31 - 1)
    ] = MAX_PIXELS
    keep_damaged: Annotated[
        bool,
        Help(
            "Keep and mark JPEGs that are damaged inside, of which a decoder makes up parts, instead of rejecting them."
        ),
    ] = False
    value_ranges: tuple[ValueRange, ...] | None = None
    background: tuple[int, int, int] | None = None


@dataclass(frozen=True, kw_only=True)
class EmbedSettings(_Checked):
    """How images become embeddings, with the model's own choices filled in.

    Attributes:
        model: a name that `gapscope.pyramid.find_model` knows.
        weights: path of the weights file.
        weights_sha256: the file's SHA-256, in hex.
        levels: the level names to keep, fine to coarse, such as `("P2", "P5")`.
        preprocess: size in pixels and fit.
    """

    model: str
    weights: str
    weights_sha256: str
    levels: tuple[str, ...]
    preprocess: Preprocess
    pool: Annotated[
        Pool,
        Help(
            "How a level's map becomes a vector: mean, max, gem (generalized mean), grid (2 x 2 means, which keep "
            "what is where), or cls (a transformer's class token)."
        ),
    ] = "mean"
    precision: Annotated[
        Precision,
        Help(
            "Arithmetic of the network: float32, bfloat16, or auto for bfloat16 where the hardware has it. Pooling and "
            "storage do not change with it."
        ),
    ] = "auto"
    speedups: Annotated[
        tuple[str, ...],
        Help(f"What makes the network faster: some of {', '.join(SPEEDUPS)}; none; or auto for all that pay."),
    ] = ("auto",)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.speedups if self.speedups != ("auto",) else ():
            _check_choice("speedups", name, SPEEDUPS)


@dataclass(frozen=True, kw_only=True)
class ExecutionSettings(_Checked):
    """Where the work runs. No number depends on it but for the last bits of the device's arithmetic."""

    device: Annotated[DeviceName, Help("cpu, cuda, or auto for the GPU where torch sees one.")] = "auto"
    cluster: Annotated[
        str,
        Help(
            "auto, inline (this process), local (processes on this machine), cuda (one process per GPU), or a running "
            "Dask scheduler: its address, such as tcp://host:8786, or its scheduler file (.json)."
        ),
    ] = "auto"
    cache: Annotated[
        str | PathLike[str] | None,
        Help(
            "Folder or URL where runs leave embeddings for each other, so that comparing A with B and then A with C "
            "embeds A once."
        ),
    ] = None
    relocate: Annotated[
        RelocateOption,
        Help(
            "Where files are on this machine that the run knows elsewhere: OLD=NEW, the beginnings of two paths or "
            "URLs. More than one may be given."
        ),
    ] = ()


@dataclass(frozen=True, kw_only=True)
class CompareSettings(_Checked):
    """How two datasets are compared.

    Attributes:
        k_local: number of nearest images whose datasets decide whether images like this one are under-represented.
    """

    k: Annotated[
        int, Help("An image is outside by its distance to its k-th nearest reference image."), Bounds(1, 1000)
    ] = 5
    k_local: int = 30
    fdr: Annotated[
        float, Help("Bound on the expected share of false entries in an outlier manifest."), Bounds(0.0, 1.0)
    ] = 0.1
    reference: Annotated[
        str | None,
        Help("Dataset to compare every other dataset with, both ways round; every pair is compared by default."),
    ] = None
    readings: Annotated[
        Readings,
        Help(
            "What to list: as-is, images that the reference lacks as they look; style-aside, content that it lacks "
            "beneath a difference of look that all images share; or both."
        ),
    ] = "both"
    max_outliers: Annotated[
        int | None,
        Help("Largest number of rows of a manifest, the surest first; all by default. No count changes with it."),
        Bounds(0, 2**63 - 1),
    ] = None

    @property
    def graph_k(self) -> int:
        """Neighbors that the graph has to keep per ordered pair so that every answer can be read from it."""
        return max(self.k, self.k_local)

    @property
    def listed_readings(self) -> tuple[Reading, ...]:
        """The readings in which images are listed."""
        return ("as-is", "style-aside") if self.readings == "both" else (self.readings,)

    @property
    def readings_compared(self) -> tuple[Reading, ...]:
        """The readings whose numbers are computed: those as it is are for style aside to be held against."""
        return ("as-is", "style-aside") if self.reads("style-aside") else ("as-is",)

    def reads(self, reading: Reading) -> bool:
        """Return whether images are listed in a reading."""
        return reading in self.listed_readings


@dataclass(frozen=True, kw_only=True)
class GroupSettings(_Checked):
    """Which images belong together, so that they count as one."""

    group: Annotated[
        GroupValues | Mapping[str, GroupValues],
        Help(
            "Which images belong together, as the frames of a clip do, and count as one: folder, tar (files of one "
            "sample in a shard), column:NAME, pattern:REGEX (what its parentheses match in the uri), none, or auto: "
            "the objects of one image, and clips among consecutive images. NAME=... is for one dataset."
        ),
    ] = "auto"


@dataclass(frozen=True)
class GroupRule:
    """What tells which images of a dataset belong together.

    Attributes:
        source: where the groups come from.
        argument: name of the column, or the regular expression; empty otherwise.
    """

    source: GroupSource
    argument: str = ""

    def __str__(self) -> str:
        return f"{self.source}:{self.argument}" if self.argument else self.source


def parse_group_rule(text: str) -> GroupRule:
    r"""Return the rule that an argument `group` describes for one dataset.

    Raises:
        OptionError: it is none, or its regular expression is invalid or has not exactly one capture group.

    Example:
        >>> parse_group_rule("folder"), parse_group_rule("scene")
        (GroupRule(source='folder', argument=''), GroupRule(source='column', argument='scene'))
        >>> parse_group_rule(r"pattern:(seq\d+)").argument
        '(seq\\d+)'
    """
    source, colon, argument = text.partition(":")
    if source in ("column", "pattern"):
        if not argument:
            raise OptionError(
                f"give {source}:{'NAME' if source == 'column' else 'REGEX'}", argument="group", value=text
            )
        if source == "pattern":
            _check_pattern(argument, text)
        return GroupRule(source, argument)  # type: ignore[arg-type]
    if source in ("auto", "none", "folder", "tar") and not colon:
        return GroupRule(source)  # type: ignore[arg-type]
    if not text:
        raise OptionError(
            "is empty: give folder, tar, column:NAME, pattern:REGEX, none or auto", argument="group", value=text
        )
    return GroupRule("column", text)


def _check_pattern(pattern: str, text: str) -> None:
    try:
        captures = re.compile(pattern).groups
    except re.error as error:
        raise OptionError(f"is no regular expression ({error})", argument="group", value=text) from error
    if captures != 1:
        raise OptionError(
            f"has {captures} capture groups: put one pair of parentheses around what names the group, and write "
            "(?:...) for others",
            argument="group",
            value=text,
        )


@dataclass(frozen=True, kw_only=True)
class ClassSettings(_Checked):
    """Which class each image or object has. No embedding or list depends on it, so a run can be given others."""

    classes: Annotated[
        str | Mapping[str, str],
        Help(
            "Which class each image or object has: annotations (its category, or all that are annotated in the image), "
            "column:NAME, folder (the last one of its path), none, or auto for the first of these that tells; a column "
            "is then one called class, label or category. NAME=... is for one dataset."
        ),
    ] = "auto"


@dataclass(frozen=True)
class ClassRule:
    """What tells which classes the images of a dataset have.

    Attributes:
        source: where the classes come from.
        column: name of the column; empty otherwise.
    """

    source: ClassSource
    column: str = ""

    def __str__(self) -> str:
        return f"{self.source}:{self.column}" if self.column else self.source


def parse_class_rule(text: str) -> ClassRule:
    """Return the rule that an argument `classes` describes for one dataset.

    Raises:
        OptionError: it is none.

    Example:
        >>> parse_class_rule("folder"), parse_class_rule("species")
        (ClassRule(source='folder', column=''), ClassRule(source='column', column='species'))
    """
    source, colon, column = text.partition(":")
    if source == "column" and column:
        return ClassRule("column", column)
    if source in ("auto", "none", "folder", "annotations") and not colon:
        return ClassRule(source)  # type: ignore[arg-type]
    if not text or source == "column":
        raise OptionError("give annotations, folder, column:NAME, none or auto", argument="classes", value=text)
    return ClassRule("column", text)


@dataclass(frozen=True, kw_only=True)
class NeighborSettings(_Checked):
    """What counts as near, for outliers, measures and map alike."""

    metric: Annotated[
        Metric,
        Help(
            "Distance between embeddings standardized per dimension: cosine, or euclidean, which also tells apart "
            "embeddings of one direction and different lengths."
        ),
    ] = "cosine"


@dataclass(frozen=True, kw_only=True)
class LayoutSettings(_Checked):
    """How a level's 3-D map is made (McInnes et al. 2018, UMAP)."""

    n_neighbors: Annotated[
        int,
        Help("Neighbors per image in UMAP's graph, the image itself included: more shows larger shapes."),
        Bounds(2, 200),
    ] = 15
    min_dist: Annotated[
        float,
        Help(
            "Smallest distance of points in the map, in UMAP's units, before levels are brought to one scale: less "
            "packs them closer."
        ),
        Bounds(0.0, 1.0),
    ] = 0.1
    n_epochs: Annotated[
        int | None,
        Help("UMAP's rounds of optimization; its own choice by default, 500 up to 10,000 points and 200 above."),
        Bounds(11, 10_000),
    ] = None
    landmarks: Annotated[
        int | None,
        Help(
            "Largest number of images that UMAP lays out, the others being placed among them; by default as many as "
            "fit the device's memory."
        ),
        Bounds(100, 2**31 - 1),
    ] = None
    seed: Annotated[int, Help("Seed of every random choice."), Bounds(0, 2**31 - 1)] = 0

    @property
    def graph_k(self) -> int:
        """Neighbors besides the image itself that the graph has to keep per ordered pair."""
        return self.n_neighbors - 1


@dataclass(frozen=True, kw_only=True)
class ReportSettings(_Checked):
    """What the page shows. No number depends on it, so a report can be made again with others."""

    max_points: Annotated[
        int, Help("Largest number of images that the report draws on a map."), Bounds(1, 1_000_000)
    ] = 50_000
    thumbnails: Annotated[
        Thumbnails,
        Help("Images that the report has pictures of: off for none, outliers (with their neighbors), or drawn."),
    ] = "drawn"
    heat_maps: Annotated[
        HeatMaps,
        Help(
            "Images with heat maps of where in them something is unlike the reference: off for none, kinds for the "
            "pictures of kinds, or all for the first outliers as well."
        ),
    ] = "all"


@dataclass(frozen=True, kw_only=True)
class PlanSettings(_Checked):
    """What `gapscope plan` measures and estimates with."""

    gpus: Annotated[int, Help("Workers that embed side by side, each as fast as what is measured here."), Bounds(1)] = 1
    price_per_gpu_hour: Annotated[float | None, Help("Price of one worker, in any currency."), Bounds(0)] = None
    sample: Annotated[
        int | None,
        Help("Number of images to embed; by default at most 256, as many as take less than a tenth of the job's time."),
        Bounds(1),
    ] = None


@dataclass(frozen=True)
class Option:
    """One option, as the command line and the docs need it.

    Attributes:
        name: the Python argument.
        type: its type, without annotations.
        default: its default; `dataclasses.MISSING` if the option is required.
        help: what it means.
    """

    name: str
    type: Any
    default: Any
    help: str

    @property
    def choices(self) -> tuple[str, ...]:
        """The values that it can have; empty if it is not one of a few words."""
        return get_args(self.type) if get_origin(self.type) is Literal else ()


def _split(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return a type without its annotations, and the annotations."""
    if get_origin(hint) is Annotated:
        kind, *notes = get_args(hint)
        return kind, tuple(notes)
    return hint, ()


def options_of(*settings: type[Any]) -> dict[str, Option]:
    """Return the options that are fields of settings classes, by name and in order.

    Example:
        >>> options_of(NeighborSettings)["metric"].choices
        ('cosine', 'euclidean')
    """
    options = {}
    for each in settings:
        hints = get_type_hints(each, include_extras=True)
        for field in dataclasses.fields(each):
            kind, notes = _split(hints[field.name])
            for note in notes:
                if isinstance(note, Help):
                    options[field.name] = Option(field.name, kind, field.default, note.text)
    return options


OPTION_GROUPS: dict[str, dict[str, Option]] = {
    "The run": options_of(RunSettings),
    "How images are embedded": options_of(ModelSettings, Preprocess, EmbedSettings),
    "Where it runs": options_of(ExecutionSettings),
    "How datasets are compared": options_of(CompareSettings, GroupSettings, ClassSettings, NeighborSettings),
    "How the map is made": options_of(LayoutSettings),
    "What the report shows": options_of(ReportSettings),
}
"""The options of `gapscope.compare`, by what they are about."""

OPTIONS: dict[str, Option] = {name: option for group in OPTION_GROUPS.values() for name, option in group.items()}
"""The options of `gapscope.compare`, by name."""


@cache
def _constraints(settings: Any) -> dict[str, tuple[tuple[str, ...], Bounds | None]]:
    constraints = {}
    for name, hint in get_type_hints(settings, include_extras=True).items():
        kind, notes = _split(hint)
        choices = get_args(kind) if get_origin(kind) is Literal else ()
        bounds = next((note for note in notes if isinstance(note, Bounds)), None)
        constraints[name] = (choices, bounds)
    return constraints


def _check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    if choices and value not in choices:
        raise OptionError(f"choose one of {', '.join(choices)}", argument=name, value=value)


def _check_bounds(name: str, value: float, bounds: Bounds | None) -> None:
    if bounds is None:
        return
    if bounds.high is None:
        if not value >= bounds.low:
            raise OptionError(f"must be {bounds.low} or more", argument=name, value=value)
    elif not bounds.low <= value <= bounds.high:
        raise OptionError(f"must be between {bounds.low} and {bounds.high}", argument=name, value=value)
