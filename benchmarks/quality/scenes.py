"""Calibration and power where images belong together: what the outlier tests list for scenes of one population.

The input is a folder with a sub-folder of photographs per class. A scene is a slow pan over a photograph, of which the
bundled network embeds twelve frames; a random walk among these makes a scene of any length. Under the null hypothesis,
random scenes are the query and others the reference, with few or many, short or long ones on either side, and some that
both sides share. The benchmark reports how often the lists are not empty, and how often p is at most 0.05; once also
for images that are counted as if they were independent. For power, the reference lacks the scenes of one class. Takes
half an hour, and some minutes more to embed the pans. Fails if lists are not empty more often than they may be.
"""

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from sklearn.metrics import roc_auc_score

from gapscope.compare.fdr import estimate_share, q_values
from gapscope.compare.group_scores import group_medians, group_outside_p, group_under_p
from gapscope.compare.interval import share_interval
from gapscope.compare.outlier_tests import count_reference_neighbors
from gapscope.compare.support import possible_k
from gapscope.neighbors.embedding_view import EmbeddingView
from gapscope.neighbors.exact import exact_neighbors
from gapscope.neighbors.scaler import fit_scaler
from gapscope.store.groups import ImageGroups

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness import argument_parser, write_result
from networks import bundled_pyramid
from quality.photographs import SIZE, embed, read_photographs

Scenes = NDArray[np.float32]
"""(scenes, frames, channels) embeddings of the pans' frames."""

_K, _K_LOCAL, _FDR = 5, 30, 0.1
_SCENES, _FRAMES = 400, 12
_SIDE = 256
_MAX_FRAMES = 300
_CONTRAST_SEEDS = 20
_MAX_ANY_LISTED, _MAX_MEAN_ANY_LISTED = 0.15, 0.10
_CPU = torch.device("cpu")


@dataclass(frozen=True)
class Combination:
    """How many scenes and frames each side has.

    Attributes:
        query: number of scenes of the query.
        query_frames: of each of its scenes; None for 1 to 300 of them, with uniform logarithms.
        reference: number of scenes of the reference.
        reference_frames: of each of its scenes, likewise.
        shared: number of scenes that both sides have, with other frames.
        by_image: whether every image counts, as if no two were of one scene.
    """

    query: int
    query_frames: int | None
    reference: int
    reference_frames: int | None
    shared: int = 0
    by_image: bool = False


COMBINATIONS = {
    "100x30 against 100x30": Combination(100, 30, 100, 30),
    "100x30 against 100x1": Combination(100, 30, 100, 1),
    "100x1 against 100x30": Combination(100, 1, 100, 30),
    "60x60 against 60x10": Combination(60, 60, 60, 10),
    "60x10 against 60x60": Combination(60, 10, 60, 60),
    "50 mixed against 50 mixed": Combination(50, None, 50, None),
    "60 mixed against 200x1": Combination(60, None, 200, 1),
    "200x1 against 60 mixed": Combination(200, 1, 60, None),
    "20x30 against 200x10": Combination(20, 30, 200, 10),
    "200x10 against 20x30": Combination(200, 10, 20, 30),
    "100x1 against 100x1": Combination(100, 1, 100, 1),
    "20x300 against 20x300": Combination(20, 300, 20, 300),
    "40x30 against 40x30, half shared": Combination(40, 30, 40, 30, shared=20),
}
CONTRAST = Combination(100, 30, 100, 30, by_image=True)
POWER_FRAMES = ((30, 30), (30, 1), (1, 30))


def main() -> None:
    """Measure, print a table, and write the JSON."""
    parser = argument_parser(__doc__)
    parser.add_argument("folder", type=Path, help="a sub-folder of photographs per class")
    parser.add_argument("--levels", nargs="+", default=["P2", "P3", "P5"], help="levels (default: P2 P3 P5)")
    parser.add_argument("--power-level", default="P5", help="level that power is measured at (default: P5)")
    parser.add_argument("--seeds", type=int, default=200, help="random draws per row of the table (default: 200)")
    parser.add_argument("--splits", type=int, default=10, help="random halves per class, for power (default: 10)")
    parser.add_argument("--keep", type=Path, help="a folder that keeps embeddings for the next time")
    options = parser.parse_args()
    torch.set_num_threads(1)
    pans, labels = _embed(options.folder, options.keep)
    null: dict[str, dict[str, Any]] = {}
    contrast: dict[str, Any] = {}
    any_listed: dict[str, Any] = {}
    power: dict[str, Any] = {}
    result = {
        "scenes": len(labels),
        "seeds": options.seeds,
        "splits": options.splits,
        "power_level": options.power_level,
        "columns": {
            "any_listed": "share of seeds whose manifest lists anything at 10%: the FDR, as all is false",
            "listed": "mean share of the query's groups that are listed",
            "outside_p05": "share of groups with p <= 0.05, first question",
            "under_p05": "the same, second question",
            "share_outside": "mean estimated share outside, which is 0",
            "share_held": "share of seeds whose 95% interval of the share outside begins at 0",
            "found": "power: share of the left-out class's groups that are listed",
            "others": "power: share of the other groups that are listed",
            "auc": "power: area under the ROC curve of the groups' scores, left-out class against the others",
            "groups": "power: mean number of the query's groups that are of the left-out class",
        },
        "allowed": {"worst_any_listed": _MAX_ANY_LISTED, "mean_any_listed": _MAX_MEAN_ANY_LISTED},
        "found": {"any_listed": any_listed, "null": null, "images_counted": contrast, "power": power},
    }
    for level in options.levels:
        scenes = pans[level].astype(np.float32)
        null[level] = {}
        for name, combination in COMBINATIONS.items():
            null[level][name] = _null_case(scenes, combination, options.seeds)
            _print(level, name, null[level][name])
            write_result(options.out, result)
        contrast[level] = _null_case(scenes, CONTRAST, min(options.seeds, _CONTRAST_SEEDS))
        _print(level, "100x30 against 100x30, by image", contrast[level])
    any_listed |= _worst_and_mean(null)
    for level, values in any_listed.items():
        _print(level, "any_listed", values)
    scenes = pans[options.power_level].astype(np.float32)
    for frames in POWER_FRAMES:
        name = f"{frames[0]} against {frames[1]} frames"
        power[name] = _power(scenes, labels, frames, options.splits)
        for left_out, values in power[name].items():
            _print(options.power_level, f"{name}, {left_out}", values)
        write_result(options.out, result)
    _refuse_failures(null, any_listed)


def _embed(folder: Path, keep: Path | None) -> tuple[dict[str, NDArray[np.float16]], NDArray[Any]]:
    """Return embeddings (scenes, frames, channels) of pans over random photographs per level, and their classes."""
    cache = keep / f"{folder.name}, pans.npz" if keep else None
    if cache is not None and cache.exists():
        with np.load(cache) as arrays:
            return {level: arrays[level] for level in sorted(arrays.files) if level.startswith("P")}, arrays["labels"]
    pyramid = bundled_pyramid(SIZE)
    pixels, labels = read_photographs(folder)
    random = np.random.default_rng(0)
    chosen = random.permutation(len(pixels))[:_SCENES]
    parts: dict[str, list[NDArray[np.float16]]] = {}
    for photograph in chosen:
        for level, values in embed(pyramid, _pan(pixels[photograph], random)).items():
            parts.setdefault(level, []).append(values)
    embeddings = {level: np.stack(values) for level, values in parts.items()}
    if cache is not None:
        np.savez(cache, labels=labels[chosen], **embeddings)  # type: ignore[arg-type]
    return embeddings, labels[chosen]


def _pan(pixels: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    """Return the frames of a camera that moves slowly, shakes, zooms, and changes its exposure."""
    picture = Image.fromarray(pixels).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)
    corner, velocity = 16 + random.normal(size=2) * 4, random.normal(size=2) * 1.8
    width, gain = float(SIZE), 1.0
    zoom, brighten = random.normal() * 0.8, random.normal() * 0.005
    frames = []
    for _ in range(_FRAMES):
        corner = np.clip(corner + velocity + random.normal(size=2) * 0.8, 0, _SIDE - width - 1)
        width, gain = float(np.clip(width + zoom, 200, 240)), gain + brighten
        box = (*corner.tolist(), *(corner + width).tolist())
        view = picture.transform((SIZE, SIZE), Image.Transform.EXTENT, box, Image.Resampling.BICUBIC)
        noisy = np.asarray(view, float) * gain + random.normal(size=(SIZE, SIZE, 3)) * 2
        frames.append(np.clip(noisy, 0, 255).astype(np.uint8))
    return np.stack(frames)


@dataclass(frozen=True)
class _Dataset:
    """Embeddings (n, channels) of all frames, scene by scene, and the groups of these that count as one."""

    embeddings: NDArray[np.float16]
    groups: ImageGroups

    def view(self, mean: NDArray[np.float32], std: NDArray[np.float32]) -> EmbeddingView:
        return EmbeddingView(
            embeddings=self.embeddings,
            rows=self.groups.rows,
            mean=mean,
            std=std,
            identity=self.groups.group,
        )

    @property
    def weights(self) -> NDArray[np.float64]:
        return 1 / self.groups.lengths[self.groups.group]


def _dataset(
    scenes: Scenes,
    chosen: NDArray[np.int64],
    frames: int | None,
    random: np.random.Generator,
    *,
    by_image: bool = False,
) -> _Dataset:
    """Return a dataset of scenes, each with so many frames, or with 1 to 300."""
    if frames is None:
        lengths = np.ceil(_MAX_FRAMES ** random.random(len(chosen))).astype(np.int64)
    else:
        lengths = np.full(len(chosen), frames, np.int64)
    embeddings = _walk(scenes, np.repeat(chosen, lengths), lengths, random)
    rows = np.arange(len(embeddings), dtype=np.int64)
    if by_image:
        return _Dataset(embeddings, ImageGroups.singles(rows))
    names = np.repeat(chosen.astype(str).astype(object), lengths)
    return _Dataset(embeddings, ImageGroups.of_values(rows, names))


def _walk(
    scenes: Scenes, scene: NDArray[np.int64], lengths: NDArray[np.int64], random: np.random.Generator
) -> NDArray[np.float16]:
    """Return (n, channels) embeddings of frames of `scene` (n,), `lengths` of each.

    A scene walks to and fro among its embedded frames, in random steps and from a random place on, so that each frame
    has the same distribution, however long the scene. Frames between two embedded ones lie between their embeddings,
    with noise of a third of what these differ.
    """
    last = scenes.shape[1] - 1
    steps = np.cumsum(random.normal(size=len(scene)) * 0.7)
    start = random.uniform(0, last, len(lengths)) - steps[np.cumsum(lengths) - lengths]
    place = np.abs((steps + np.repeat(start, lengths)) % (2 * last) - last)
    before = np.minimum(place.astype(np.int64), last - 1)
    first, second = scenes[scene, before], scenes[scene, before + 1]
    difference = second - first
    noise = random.standard_normal(first.shape, np.float32) * 0.3 * np.abs(difference)
    part = (place - before).astype(np.float32)[:, None]
    return np.asarray(first + part * difference + noise, np.float16)


@dataclass(frozen=True, kw_only=True)
class _Tests:
    """What both tests say of the query's m groups; `OutlierScores` says what each is.

    Attributes:
        group_score: (m,) medians of the groups' scores.
        outside: (m,) p-values of the first question.
        under: (m,) p-values of the second question.
        representative_score: (m,) scores of the groups' representatives.
        reference_score: (r,) those of the reference's.
    """

    group_score: NDArray[np.float32]
    outside: NDArray[np.float64]
    under: NDArray[np.float64]
    representative_score: NDArray[np.float32]
    reference_score: NDArray[np.float32]

    @property
    def listed(self) -> NDArray[np.bool_]:
        """(m,) whether either test lists a group."""
        return np.asarray(2 * np.minimum(q_values(self.outside), q_values(self.under)) <= _FDR)


def _test(query: _Dataset, reference: _Dataset) -> _Tests:
    """Do both tests of every group of the query, as the stages of a run do them."""
    datasets = query, reference
    mean, std = fit_scaler(
        (dataset.embeddings.astype(np.float32) for dataset in datasets), (dataset.weights for dataset in datasets)
    )
    views = [dataset.view(mean, std) for dataset in datasets]
    representatives = [
        replace(view.take(dataset.groups.representative), identity=np.arange(len(dataset.groups)))
        for view, dataset in zip(views, datasets, strict=True)
    ]
    groups, reference_groups = query.groups, reference.groups
    shared = groups.find_in(reference_groups)
    crossing = replace(views[0], identity=shared[groups.group])
    cross = exact_neighbors(crossing, representatives[1], _K_LOCAL, same=True, device=_CPU).distances
    own = exact_neighbors(views[0], representatives[0], _K_LOCAL, same=True, device=_CPU).distances
    k = possible_k(_K, len(reference_groups))
    within = exact_neighbors(views[1], representatives[1], k, same=True, device=_CPU).distances
    score, radius = cross[:, k - 1], within[:, k - 1]
    possible = min(_K_LOCAL, len(groups) + len(reference_groups) - 1 - bool((shared >= 0).any()))
    counts, k_local = count_reference_neighbors(own, cross, possible)
    return _Tests(
        group_score=group_medians(score, groups),
        outside=group_outside_p(score, groups, radius, reference_groups, shared),
        under=group_under_p(counts.astype(np.int16), k_local, groups, len(reference_groups), shared),
        representative_score=score[groups.representative],
        reference_score=radius[reference_groups.representative],
    )


def _null_case(scenes: Scenes, combination: Combination, seeds: int) -> dict[str, float]:
    """Return the columns of one row of the table: means over the seeds."""
    columns: dict[str, list[float]] = {}
    for seed in range(seeds):
        tests = _test(*_draw(scenes, combination, np.random.default_rng(seed)))
        share = estimate_share(tests.outside)
        for key, value in {
            "any_listed": float(tests.listed.any()),
            "listed": float(tests.listed.mean()),
            "outside_p05": float((tests.outside <= 0.05).mean()),
            "under_p05": float((tests.under <= 0.05).mean()),
            "share_outside": share,
            "share_held": float(share_interval(tests.representative_score, tests.reference_score, share)[0] == 0),
        }.items():
            columns.setdefault(key, []).append(value)
    return {key: round(float(np.mean(values)), 5) for key, values in columns.items()}


def _draw(scenes: Scenes, combination: Combination, random: np.random.Generator) -> tuple[_Dataset, _Dataset]:
    """Return query and reference: scenes drawn at random, of which both have those that they share."""
    order = random.permutation(len(scenes))
    first = combination.query - combination.shared
    chosen = order[: combination.query], order[first : first + combination.reference]
    frames = combination.query_frames, combination.reference_frames
    query, reference = (
        _dataset(scenes, random.permutation(own), count, random, by_image=combination.by_image)
        for own, count in zip(chosen, frames, strict=True)
    )
    return query, reference


def _worst_and_mean(null: dict[str, dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Return the worst and the mean share of seeds that list anything, per level and of all."""
    shares = {level: [row["any_listed"] for row in rows.values()] for level, rows in null.items()}
    shares["all"] = [share for of_level in shares.values() for share in of_level]
    return {
        level: {"worst": max(of_level), "mean": round(float(np.mean(of_level)), 5)}
        for level, of_level in shares.items()
    }


def _power(scenes: Scenes, labels: NDArray[Any], frames: tuple[int, int], splits: int) -> dict[str, dict[str, float]]:
    """Return the columns per class that is left out of the reference, and their means over the classes."""
    rows = {}
    for name in sorted(set(labels.tolist())):
        rounds = []
        for seed in range(splits):
            random = np.random.default_rng(seed)
            query, reference = np.array_split(random.permutation(len(scenes)), 2)
            reference = reference[labels[reference] != name]
            datasets = _dataset(scenes, query, frames[0], random), _dataset(scenes, reference, frames[1], random)
            tests = _test(*datasets)
            names = datasets[0].groups.names
            assert names is not None
            left_out = labels[names.astype(np.int64)] == name
            rounds.append(
                {
                    "found": tests.listed[left_out].mean(),
                    "others": tests.listed[~left_out].mean(),
                    "auc": roc_auc_score(left_out, tests.group_score),
                    "groups": np.count_nonzero(left_out),
                }
            )
        rows[name] = _averaged(rounds)
    return rows | {"mean": _averaged(list(rows.values()))}


def _averaged(rounds: list[dict[str, Any]]) -> dict[str, float]:
    return {key: round(float(np.mean([result[key] for result in rounds])), 4) for key in rounds[0]}


def _print(level: str, name: str, values: dict[str, float]) -> None:
    columns = "  ".join(f"{key} {value:.4f}" for key, value in values.items())
    print(f"{level}  {name:<34}{columns}", flush=True)


def _refuse_failures(null: dict[str, dict[str, Any]], any_listed: dict[str, Any]) -> None:
    failed = [
        f"{level} {name}: {row['any_listed']}"
        for level, rows in null.items()
        for name, row in rows.items()
        if row["any_listed"] > _MAX_ANY_LISTED
    ]
    if any_listed["all"]["mean"] > _MAX_MEAN_ANY_LISTED:
        failed.append(f"mean: {any_listed['all']['mean']}")
    if failed:
        raise SystemExit("lists are not empty too often; " + "; ".join(failed))


if __name__ == "__main__":
    main()
