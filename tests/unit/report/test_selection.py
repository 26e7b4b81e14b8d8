from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from gapscope.report.lists import OneSidedCluster, OutlierList, Ranking
from gapscope.report.points import PointIndex
from gapscope.report.selection import Selection, select_images
from gapscope.store.datasets import Pair
from gapscope.store.thumbnails import uri_hashes


def make_index(sizes: list[int], order: NDArray[np.int64] | None = None) -> PointIndex:
    """Datasets of numbered images; `order` shuffles all of them, and each dataset's then come in that order."""
    dataset = np.repeat(np.arange(len(sizes), dtype=np.int16), sizes)
    number = np.concatenate([np.arange(size) for size in sizes])
    if order is not None:
        mixed = order[np.argsort(dataset[order], kind="stable")]
        dataset, number = dataset[mixed], number[mixed]
    names = tuple(f"set{position}" for position in range(len(sizes)))
    uri = np.array([f"/data/{image}.png" for image in number], dtype=object)
    hashes = [uri_hashes(name, uri[dataset == position]) for position, name in enumerate(names)]
    row = np.concatenate([np.arange(size) for size in sizes])
    return PointIndex(datasets=names, dataset=dataset, row=row, hash=np.concatenate(hashes))


def outlier_list(images: list[int], neighbors: list[list[int]] | None = None, level: str = "P2") -> OutlierList:
    count = len(images)
    nearest = np.array(neighbors if neighbors else np.zeros((count, 0)), dtype=np.int64).reshape(count, -1)
    return OutlierList(
        reading="as-is",
        level=level,
        query=0,
        reference=1,
        image=np.array(images, dtype=np.int64),
        rank=np.arange(1, count + 1, dtype=np.int32),
        reason=np.zeros(count, np.uint8),
        numbers=np.zeros((count, 4), np.float32),
        neighbors=nearest,
    )


def names(index: PointIndex, selection: Selection) -> set[tuple[int, int]]:
    drawn = selection.image[selection.drawn]
    return set(zip(index.dataset[drawn].tolist(), index.hash[drawn].tolist(), strict=True))


def test_everything_is_drawn_where_it_fits() -> None:
    index = make_index([30, 20])
    selection = select_images(index, [outlier_list([3, 1])], max_drawn=50)
    assert sorted(selection.image) == list(range(50))
    assert selection.drawn.all()


@pytest.mark.parametrize("sizes", [[500, 500], [990, 10], [1000, 0], [400, 300, 200, 100], [3, 997]])
def test_as_much_is_drawn_as_allowed(sizes: list[int]) -> None:
    selection = select_images(make_index(sizes), [outlier_list([5, 0] if sizes[0] > 5 else [0])], max_drawn=100)
    assert selection.drawn.sum() == 100


def test_listed_outliers_are_all_drawn_and_come_first_by_rank() -> None:
    outliers = [17, 950, 3, 500]
    selection = select_images(make_index([600, 400]), [outlier_list(outliers)], max_drawn=50)
    assert selection.image[:4].tolist() == outliers
    assert selection.drawn[:4].all()
    assert (selection.outliers, selection.outliers_drawn) == (4, 4)


def test_an_outlier_of_any_level_is_drawn() -> None:
    selection = select_images(
        make_index([600, 400]), [outlier_list([1], level="P2"), outlier_list([2], level="P3")], max_drawn=10
    )
    assert {1, 2} <= set(selection.image[selection.drawn].tolist())


def test_the_best_ranked_outliers_are_drawn_where_not_all_fit() -> None:
    selection = select_images(make_index([600, 400]), [outlier_list(list(range(100)))], max_drawn=50, max_outliers=20)
    drawn = set(selection.image[selection.drawn].tolist())
    assert {*range(20)} <= drawn
    assert selection.image[:20].tolist() == list(range(20))
    # Of the others a few are in the sample, like any image.
    assert (selection.outliers, selection.outliers_drawn) == (100, len(drawn & {*range(100)}))
    assert 20 <= selection.outliers_drawn < 30
    assert selection.important == 20


def test_the_map_is_full_where_nearly_everything_is_listed() -> None:
    sizes = [3000, 3000]
    listed = np.random.default_rng(0).permutation(3000)[:2850].tolist()
    way_back = replace(outlier_list((3000 + np.array(listed)).tolist()), query=1, reference=0)
    selection = select_images(make_index(sizes), [outlier_list(listed), way_back], max_drawn=4000, max_outliers=1500)
    drawn = selection.image[selection.drawn]
    assert len(drawn) == 4000
    # All that are not listed are there, since they are few.
    is_listed = np.isin(drawn % 3000, listed)
    assert (~is_listed).sum() == 300
    assert (selection.outliers, selection.outliers_drawn) == (5700, 3700)
    assert {*listed[:750]} <= set(drawn.tolist())


def test_half_of_the_sample_shows_what_is_not_listed() -> None:
    # 8,000 of 10,000 are listed: of 500 points that ranks leave, 250 are of the others.
    selection = select_images(make_index([10_000]), [outlier_list(list(range(8000)))], max_drawn=1000)
    drawn = selection.image[selection.drawn]
    assert len(drawn) == 1000
    assert {*range(500)} <= set(drawn.tolist())
    assert (drawn >= 8000).sum() == 250
    # Worse ranks are as likely as better ones to be in the sample.
    sampled = drawn[(drawn >= 500) & (drawn < 8000)]
    assert abs(np.median(sampled) - 4250) < 700


def test_ranked_images_are_on_the_page_before_the_sample() -> None:
    index = make_index([1000, 1000])
    ranked = np.arange(900, 700, -1)
    ranking = Ranking(
        reading="style-aside",
        level="P2",
        pair=Pair("set0", "set1"),
        image=ranked,
        numbers=np.zeros((200, 3), np.float32),
    )
    selection = select_images(index, [], (), [ranking], max_drawn=50)
    assert selection.image[:200].tolist() == ranked.tolist()
    assert selection.important == 200
    assert selection.drawn.sum() == 50


def test_the_sample_does_not_depend_on_the_order_of_the_images() -> None:
    shuffled = np.random.default_rng(1).permutation(1000)
    plain, mixed = make_index([700, 300]), make_index([700, 300], shuffled)
    assert names(plain, select_images(plain, [], max_drawn=100)) == names(
        mixed, select_images(mixed, [], max_drawn=100)
    )


def test_the_sample_is_the_same_each_time() -> None:
    first, second = (select_images(make_index([700, 300]), [outlier_list([9])], max_drawn=100) for _ in range(2))
    assert first.image.tolist() == second.image.tolist()
    assert first.drawn.tolist() == second.drawn.tolist()


def test_the_sample_is_spread_evenly_over_a_dataset() -> None:
    index = make_index([20_000, 20_000])
    drawn = select_images(index, [], max_drawn=4_000).image
    tenths = np.histogram(index.row[drawn], bins=10, range=(0, 20_000))[0]
    assert tenths.sum() == 4_000
    assert abs(tenths - 400).max() < 5 * np.sqrt(400)


def test_a_small_dataset_keeps_enough_points_to_be_seen() -> None:
    index = make_index([100_000, 300])
    drawn = select_images(index, [], max_drawn=2_000)
    assert (index.dataset[drawn.image] == 1).sum() == 300


def test_neighbors_of_drawn_outliers_are_on_the_page_but_not_drawn() -> None:
    index = make_index([1000, 1000])
    nearest = [1500, 1501, -1]
    selection = select_images(index, [outlier_list([4], [nearest])], max_drawn=1)
    assert selection.image.tolist()[0] == 4
    assert set(selection.image.tolist()) == {4, 1500, 1501}
    assert selection.drawn.tolist() == [True, False, False]


def test_neighbors_have_a_cap_of_their_own() -> None:
    nearest = [[1000 + 2 * number, 1001 + 2 * number] for number in range(50)]
    selection = select_images(
        make_index([1000, 1000]), [outlier_list(list(range(50)), nearest)], max_drawn=50, max_neighbors=10
    )
    assert (~selection.drawn).sum() == 10
    assert set(selection.image[~selection.drawn].tolist()) == set(range(1000, 1010))


def test_what_is_typical_of_a_cluster_is_on_the_page_behind_the_outliers() -> None:
    index = make_index([1000, 1000])
    typical = OneSidedCluster(cluster=0, images=9, dataset=1, share=1.0, typical=np.array([1700, 1800]))
    selection = select_images(index, [outlier_list([4], [[1500, -1, -1]])], [typical], max_drawn=1)
    assert selection.image.tolist()[:2] == [4, 1500]
    assert set(selection.image.tolist()) == {4, 1500, 1700, 1800}
    assert selection.important == 4


def test_numbers_find_an_image_on_the_page() -> None:
    selection = select_images(make_index([20, 20]), [], max_drawn=10)
    number = selection.page_numbers(40)
    assert number[selection.image].tolist() == list(range(len(selection.image)))
    assert number[-1] == -1
    assert (number >= 0).sum() == len(selection.image)


def test_no_image_at_all() -> None:
    selection = select_images(make_index([0, 0]), [], max_drawn=10)
    assert len(selection.image) == 0


def clips_index(clips: int, frames: int, singles: int) -> PointIndex:
    """A dataset of clips, and one of single images."""
    index = make_index([clips * frames, singles])
    group = np.concatenate([np.repeat(np.arange(clips), frames), np.full(singles, -1)])
    return replace(index, group=group.astype(np.int64))


def test_of_every_clip_one_frame_is_drawn_before_a_second() -> None:
    index = clips_index(clips=40, frames=25, singles=60)
    assert index.group is not None
    drawn = select_images(index, [], max_drawn=100)
    clips = index.group[drawn.image[drawn.drawn & (index.dataset[drawn.image] == 0)]]
    counts = np.bincount(clips, minlength=40)
    assert counts.min() >= 1
    assert counts.max() - counts.min() <= 1


def test_of_listed_clips_one_frame_comes_before_second_ones() -> None:
    index = clips_index(clips=4, frames=25, singles=10)
    assert index.group is not None
    # Two clips are listed, one after the other, each with all of its frames.
    selection = select_images(index, [outlier_list([*range(25, 50), *range(75, 100)])], max_drawn=100)
    first = index.group[selection.image[:8]].tolist()
    assert first == [1, 3] * 4
    assert selection.image[:2].tolist() == [25, 75]
    assert selection.outliers_drawn == 50


@pytest.mark.parametrize("groups", [None, np.full(30, -1, np.int64)])
def test_turns_are_zero_without_groups(groups: NDArray[np.int64] | None) -> None:
    index = replace(make_index([30]), group=groups)
    assert index.turn(np.arange(30)[::-1]).tolist() == [0] * 30


def test_a_turn_counts_those_of_the_same_group_that_come_before() -> None:
    index = replace(make_index([7]), group=np.array([5, 5, -1, 8, 5, 8, -1]))
    assert index.turn(np.array([4, 3, 0, 2, 1, 5, 6])).tolist() == [0, 0, 1, 0, 2, 1, 0]
