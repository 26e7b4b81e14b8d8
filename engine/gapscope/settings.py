"""What a user can choose, one frozen dataclass per stage, checked when it is made."""

import re
from dataclasses import dataclass
from typing import Literal, get_args

from gapscope.errors import OptionError

Fit = Literal["crop", "stretch", "pad"]
Precision = Literal["auto", "float32", "bfloat16"]
Pool = Literal["mean", "max", "gem", "grid"]

SPEEDUPS = ("pooled-fpn", "fold", "channels-last", "compile")
"""What makes a network faster and changes no more than the last bits of what it gives."""
Metric = Literal["cosine", "euclidean"]
Thumbnails = Literal["off", "outliers", "drawn"]

MAX_PIXELS = 200_000_000
DEFAULT_MODEL = "fasterrcnn_resnet50_fpn_v2"
_DATASET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def check_dataset_name(name: str) -> str:
    """Return `name` if it can name a dataset, which also names files and Zarr groups.

    Raises:
        OptionError: the name has other characters, is too long, or holds the word that joins two names.
    """
    if not _DATASET_NAME.fullmatch(name):
        raise OptionError(
            f"dataset name {name!r}: use 1 to 64 letters, digits, '.', '_' or '-', starting with a letter or digit"
        )
    if "-vs-" in name:
        raise OptionError(f"dataset name {name!r}: '-vs-' joins the two names of a pair, so a name cannot hold it")
    return name


def _one_of(option: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise OptionError(f"{option} {value!r}: choose one of {', '.join(choices)}")


def _within(option: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise OptionError(f"{option} {value}: must be between {low} and {high}")


@dataclass(frozen=True, kw_only=True)
class Preprocess:
    """How an image becomes the square that the network sees.

    Attributes:
        size: side of the square, in pixels.
        fit: `crop` scales the short side to `size` and keeps the centre; `stretch` scales both sides, which changes
            the aspect ratio; `pad` scales the long side and centres the image on grey.
        max_pixels: images with more pixels are rejected before they are decoded: a small file can claim to be huge.
    """

    size: int
    fit: Fit = "crop"
    max_pixels: int = MAX_PIXELS

    def __post_init__(self) -> None:
        _within("--size", self.size, 64, 4096)
        if self.size % 32:
            raise OptionError(f"--size {self.size}: must be a multiple of 32, so that every level halves the last")
        _one_of("--fit", self.fit, get_args(Fit))
        _within("--max-pixels", self.max_pixels, 1, 2**31 - 1)


@dataclass(frozen=True, kw_only=True)
class EmbedSettings:
    """How images become embeddings, with nothing left to a default.

    Attributes:
        model: a name that `gapscope.pyramid.find_model` knows.
        weights: path of the weights file.
        weights_sha256: the file's SHA-256, in hex.
        levels: the level names to keep, fine to coarse, such as `("P2", "P5")`.
        frame: size in pixels and fit.
        pool: how a level's map becomes a vector; see `gapscope.pyramid.pool`.
        precision: arithmetic of the network; pooling and storage do not change with it. `auto` is bfloat16 where the
            device has it in hardware.
        speedups: some of `SPEEDUPS`, or `auto` alone for all that pay.
    """

    model: str
    weights: str
    weights_sha256: str
    levels: tuple[str, ...]
    frame: Preprocess
    pool: Pool = "mean"
    precision: Precision = "auto"
    speedups: tuple[str, ...] = ("auto",)

    def __post_init__(self) -> None:
        _one_of("--pool", self.pool, get_args(Pool))
        _one_of("--precision", self.precision, get_args(Precision))
        for name in self.speedups if self.speedups != ("auto",) else ():
            _one_of("--speedups", name, SPEEDUPS)


@dataclass(frozen=True, kw_only=True)
class NeighborSettings:
    """What near means, for everything that is said about two datasets.

    Attributes:
        metric: distance between embeddings standardised per dimension: `cosine`, or `euclidean`, which also tells
            embeddings of the same direction and another length apart.
    """

    metric: Metric = "cosine"

    def __post_init__(self) -> None:
        _one_of("--metric", self.metric, get_args(Metric))


@dataclass(frozen=True, kw_only=True)
class LayoutSettings:
    """How a level's 3-D map is made (McInnes et al. 2018, UMAP).

    Attributes:
        n_neighbors: neighbors per image in UMAP's graph, the image itself included.
        min_dist: smallest distance of points in the map, in UMAP's units, before levels are brought to one scale.
        n_epochs: rounds of optimisation; None is UMAP's own choice, 500 up to 10,000 points and 200 above.
        landmarks: at most so many images are laid out by UMAP, the others placed among them; None is as many as fit
            the device's memory.
        seed: seed of every random choice.
    """

    n_neighbors: int = 15
    min_dist: float = 0.1
    n_epochs: int | None = None
    landmarks: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        _within("--n-neighbors", self.n_neighbors, 2, 200)
        _within("--min-dist", self.min_dist, 0.0, 1.0)
        if self.n_epochs is not None:
            _within("--n-epochs", self.n_epochs, 11, 10_000)
        if self.landmarks is not None:
            _within("--landmarks", self.landmarks, 100, 2**31 - 1)
        _within("--seed", self.seed, 0, 2**31 - 1)

    @property
    def graph_k(self) -> int:
        """Neighbors besides the image itself that the graph has to keep per ordered pair."""
        return self.n_neighbors - 1


@dataclass(frozen=True, kw_only=True)
class CompareSettings:
    """How two datasets are compared.

    Attributes:
        k: an image is outside the reference's support by its distance to its k-th nearest reference image.
        k_local: an image's kind is under-represented by the datasets of its `k_local` nearest images.
        fdr: bound on the expected share of false entries in an outlier manifest.
        reference: the dataset that all others are compared with; every pair is compared where None.
        max_outliers: rows of a manifest at most, the surest; all where None. No count changes with it.
    """

    k: int = 5
    k_local: int = 30
    fdr: float = 0.1
    reference: str | None = None
    max_outliers: int | None = None

    def __post_init__(self) -> None:
        _within("--k", self.k, 1, 1000)
        _within("--fdr", self.fdr, 0.0, 1.0)
        if self.max_outliers is not None:
            _within("--max-outliers", self.max_outliers, 0, 2**63 - 1)

    @property
    def graph_k(self) -> int:
        """Neighbors that the graph has to keep per ordered pair so that every answer can be read from it."""
        return max(self.k, self.k_local)


@dataclass(frozen=True, kw_only=True)
class ReportSettings:
    """What the page shows. No number depends on it, so a report can be made again with others.

    Attributes:
        max_points: most images drawn on a map.
        thumbnails: of which images there are pictures: `off`, `outliers` (with their neighbors), or `drawn`.
    """

    max_points: int = 50_000
    thumbnails: Thumbnails = "drawn"

    def __post_init__(self) -> None:
        _within("--max-points", self.max_points, 1, 1_000_000)
        _one_of("--thumbnails", self.thumbnails, get_args(Thumbnails))
