"""Clips are found where the order of a listing tells of them, with their exact borders, and nowhere else."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from embedded_run import write_embedded_run
from numpy.typing import NDArray

from gapscope.neighbors.bursts import clip_scale, find_clips
from gapscope.settings import Metric
from gapscope.store.run_store import RunStore

Vectors = NDArray[np.float64]
CHANNELS = 48


def walk(random: np.random.Generator, frames: int, step: float = 0.1) -> Vectors:
    """A clip: a scene of its own, in which each frame is a small step from the last."""
    steps = random.normal(size=(frames, CHANNELS)) * step
    return np.asarray(random.normal(size=CHANNELS) + np.cumsum(steps, axis=0))


def clips_of(lengths: Sequence[int], seed: int = 0, step: float = 0.1) -> tuple[Vectors, NDArray[np.int64]]:
    """Clips one after the other, and the clip of each frame."""
    random = np.random.default_rng(seed)
    return (
        np.concatenate([walk(random, length, step) for length in lengths]),
        np.repeat(np.arange(len(lengths)), lengths),
    )


def find(
    folder: Path,
    vectors: Vectors,
    uris: Sequence[str] | None = None,
    metric: Metric = "cosine",
    *,
    by_name: bool = False,
) -> list[int]:
    """The clip of each image, in the order in which clips come; an empty list where there are none."""
    run = written(folder, vectors, uris, metric)
    clips = find_clips(run, "video", clip_scale(run), by_name=by_name)
    if clips is None:
        return []
    assert len(clips) == np.isfinite(vectors).all(axis=1).sum()
    first = np.unique(clips, return_index=True)[1]
    return np.argsort(np.argsort(first))[clips].tolist()  # type: ignore[no-any-return]


def written(folder: Path, vectors: Vectors, uris: Sequence[str] | None = None, metric: Metric = "cosine") -> RunStore:
    listed = None if uris is None else {"video": uris}
    return write_embedded_run(folder / "run", {"video": {"P4": vectors}}, metric, listed)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_clips_in_one_folder_are_found_with_their_exact_borders(tmp_path: Path, metric: Metric) -> None:
    vectors, clip = clips_of([30] * 20)
    uris = [f"/video/{row:05d}.png" for row in range(len(clip))]
    assert find(tmp_path, vectors, uris, metric) == clip.tolist()


def test_clips_of_unequal_length_are_found(tmp_path: Path) -> None:
    vectors, clip = clips_of([3, 80, 12, 5, 200, 40, 7, 25, 60, 4])
    assert find(tmp_path, vectors, [f"/video/{row}.png" for row in range(len(clip))]) == clip.tolist()


def test_a_folder_per_clip_is_found_and_no_clip_goes_on_in_the_next_folder(tmp_path: Path) -> None:
    # The same scene goes on in the next folder: where the folder ends, the clip does.
    vectors, clip = clips_of([24] * 12)
    uris = [f"/video/{row // 12:02d}/{row % 12:02d}.png" for row in range(len(clip))]
    assert find(tmp_path, vectors, uris) == (np.arange(len(clip)) // 12).tolist()


def test_a_clip_that_is_longer_than_what_is_compared_at_a_time_stays_one(tmp_path: Path) -> None:
    # Blocks of 256 images begin at rows 0, 224, 448 and so on: borders lie on, before and behind theirs.
    vectors, clip = clips_of([224, 31, 1, 192, 1, 222, 700, 33], step=0.05)
    assert find(tmp_path, vectors, [f"/video/{row}.png" for row in range(len(clip))]) == clip.tolist()


def test_two_cameras_that_are_listed_alternately_are_two_clips(tmp_path: Path) -> None:
    left, of_left = clips_of([30, 20, 50], seed=1)
    right, of_right = clips_of([40, 60], seed=2)
    vectors, clip = np.empty((200, CHANNELS)), np.empty(200, int)
    vectors[::2], vectors[1::2] = left, right
    clip[::2], clip[1::2] = of_left, 3 + of_right
    uris = [f"/video/{'left' if row % 2 == 0 else 'right'}/{row // 2:03d}.png" for row in range(200)]
    found = find(tmp_path, vectors, uris)
    # Clips are numbered as they come; which images are together is what counts.
    assert len(set(found)) == 5
    assert len(set(zip(found, clip.tolist(), strict=True))) == 5


def test_a_glitch_within_a_clip_does_not_cut_it(tmp_path: Path) -> None:
    vectors, clip = clips_of([30] * 10)
    random = np.random.default_rng(5)
    glitches = [7, 45, 46, 47, 112, 283]
    vectors[glitches] = random.normal(size=(len(glitches), CHANNELS))
    assert find(tmp_path, vectors, [f"/video/{row}.png" for row in range(300)]) == clip.tolist()


def test_frames_that_are_there_twice_cut_no_clip(tmp_path: Path) -> None:
    vectors, clip = clips_of([15] * 10)
    twice = np.repeat(np.arange(150), 2)
    assert find(tmp_path, vectors[twice], [f"/video/{row}.png" for row in range(300)]) == clip[twice].tolist()


def test_a_single_clip_is_one(tmp_path: Path) -> None:
    assert find(tmp_path, clips_of([60])[0], [f"/video/{row}.png" for row in range(60)]) == [0] * 60


def test_rejected_frames_are_left_out_and_cut_no_clip(tmp_path: Path) -> None:
    vectors, clip = clips_of([30] * 10)
    rejected = [0, 14, 15, 29, 30, 150, 299]
    vectors[rejected] = np.nan
    kept = np.setdiff1d(np.arange(300), rejected)
    assert find(tmp_path, vectors, [f"/video/{row}.png" for row in range(300)]) == clip[kept].tolist()


def test_single_images_between_clips_stay_single(tmp_path: Path) -> None:
    vectors, clip = clips_of([1, 30, 1, 1, 25, 1, 40, 1, 1, 1, 30])
    assert find(tmp_path, vectors, [f"/video/{row}.png" for row in range(len(clip))]) == clip.tolist()


def test_the_second_coarsest_level_decides(tmp_path: Path) -> None:
    (clips, clip), still = clips_of([30] * 8), np.random.default_rng(3).normal(size=(240, CHANNELS))
    for name, levels, expected in (
        ("seen", {"P3": still, "P4": clips, "P5": still}, clip.tolist()),
        ("unseen", {"P3": clips, "P4": still, "P5": clips}, None),
    ):
        run = write_embedded_run(tmp_path / name, {"video": levels})
        found = find_clips(run, "video", clip_scale(run))
        assert (None if found is None else found.tolist()) == expected


def independent(random: np.random.Generator) -> Vectors:
    return random.normal(size=(400, CHANNELS))


def sorted_classes(random: np.random.Generator) -> Vectors:
    """Ten classes far apart, listed class by class, as folders of classes are."""
    return np.asarray(4 * np.repeat(random.normal(size=(10, CHANNELS)), 40, axis=0) + independent(random))


def sorted_small_classes(random: np.random.Generator) -> Vectors:
    """Eighty classes of five: the nearest is mostly one or two rows away, and no near copy."""
    return np.asarray(2 * np.repeat(random.normal(size=(80, CHANNELS)), 5, axis=0) + independent(random))


def copies_in_random_order(random: np.random.Generator) -> Vectors:
    """Twenty pictures, of each twenty copies that hardly differ, shuffled."""
    copies = np.repeat(random.normal(size=(20, CHANNELS)), 20, axis=0) + 0.02 * independent(random)
    return np.asarray(random.permutation(copies))


def shuffled_frames(random: np.random.Generator) -> Vectors:
    return np.asarray(random.permutation(clips_of([20] * 20, seed=int(random.integers(99)))[0]))


def identical(random: np.random.Generator) -> Vectors:
    """A blank page, again and again, and other pictures between, in no order."""
    vectors = independent(random)
    vectors[random.permutation(400)[:120]] = vectors[0]
    return vectors


def slow_drift(random: np.random.Generator) -> Vectors:
    """Single pictures of a season: their light drifts, but none is a copy of the last."""
    drift = np.linspace(-1, 1, 400)[:, None] * random.normal(size=CHANNELS)
    return np.asarray(independent(random) + drift)


@pytest.mark.parametrize("in_folders", [False, True])
@pytest.mark.parametrize(
    "draw",
    [
        independent,
        sorted_classes,
        sorted_small_classes,
        copies_in_random_order,
        shuffled_frames,
        identical,
        slow_drift,
    ],
)
def test_what_comes_in_no_bursts_has_no_clips(
    draw: Callable[[np.random.Generator], Vectors], in_folders: bool, tmp_path: Path
) -> None:
    uris = [f"/video/{row // 40 if in_folders else ''}/{row}.png" for row in range(400)]
    assert find(tmp_path, draw(np.random.default_rng(0)), uris) == []


@pytest.mark.parametrize("count", [1, 2, 3])
def test_so_few_images_tell_of_no_order(count: int, tmp_path: Path) -> None:
    assert find(tmp_path, clips_of([count])[0], [f"/video/{row}.png" for row in range(count)]) == []


def test_folders_of_three_tell_of_no_order(tmp_path: Path) -> None:
    # Of three images in a folder, any two are at most two rows apart.
    vectors, _ = clips_of([3] * 100)
    assert find(tmp_path, vectors, [f"/video/{row // 3}/{row}.png" for row in range(300)]) == []


def test_a_dataset_of_rejected_images_has_no_clips(tmp_path: Path) -> None:
    vectors = clips_of([30] * 3)[0]
    vectors[1:] = np.nan
    assert find(tmp_path, vectors) == []


@pytest.mark.slow
def test_over_many_seeds_clips_are_found_whole_and_stills_are_never_taken_for_clips(tmp_path: Path) -> None:
    whole = 0
    for seed in range(40):
        random = np.random.default_rng(seed)
        (folder := tmp_path / str(seed)).mkdir()
        vectors, clip = clips_of(random.integers(5, 60, size=12).tolist(), seed)
        whole += find(folder, vectors, [f"/video/{row}.png" for row in range(len(clip))]) == clip.tolist()
        for draw in (independent, sorted_classes, sorted_small_classes, copies_in_random_order, shuffled_frames):
            (inner := folder / draw.__name__).mkdir()
            assert find(inner, draw(random)) == []
    assert whole >= 38


@pytest.mark.parametrize("by_name", [True, False])
def test_names_that_are_sorted_as_text_are_in_the_order_of_their_numbers(tmp_path: Path, by_name: bool) -> None:
    vectors, clip = clips_of([30] * 8, step=0.3)
    names = [f"/video/frame{row}.png" for row in range(len(clip))]
    listed = sorted(range(len(names)), key=names.__getitem__)
    if by_name:
        # An update puts new files behind the others.
        listed = listed[100:] + listed[:100]
    assert same_clips(tmp_path, vectors, names, listed, by_name=by_name) == (clip[1:] == clip[:-1]).tolist()


def test_a_list_in_an_order_of_its_own_keeps_it(tmp_path: Path) -> None:
    vectors, clip = clips_of([30] * 8, step=0.3)
    shuffled = np.random.default_rng(0).permutation(len(clip))
    names = [f"/video/frame{number}.png" for number in shuffled]
    listed = list(range(len(names)))
    assert same_clips(tmp_path, vectors, names, listed, by_name=False) == (clip[1:] == clip[:-1]).tolist()
    (tmp_path / "by_name").mkdir()
    assert find(tmp_path / "by_name", vectors, names, by_name=True) == []


def same_clips(
    folder: Path, vectors: Vectors, names: Sequence[str], listed: Sequence[int], *, by_name: bool
) -> list[bool]:
    """Of frames in the order of time, listed in another: whether each is of the same clip as the one before."""
    found = find(folder, vectors[listed], [names[row] for row in listed], by_name=by_name)
    by_time = np.empty(len(found), int)
    by_time[listed] = found
    return (by_time[1:] == by_time[:-1]).tolist()  # type: ignore[no-any-return]
