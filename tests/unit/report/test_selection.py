import numpy as np
import pytest
from numpy.typing import NDArray

from gapscope.report.lists import OneSidedCluster, OutlierList
from gapscope.report.points import PointIndex
from gapscope.report.selection import Selection, select_images
from gapscope.store.thumbnails import uri_hashes


def places(sizes: list[int], order: NDArray[np.int64] | None = None) -> PointIndex:
    """Datasets of numbered images; `order` shuffles all of them, and each dataset's then come in that order."""
    dataset = np.repeat(np.arange(len(sizes), dtype=np.int16), sizes)
    number = np.concatenate([np.arange(size) for size in sizes])
    if order is not None:
        mixed = order[np.argsort(dataset[order], kind="stable")]
        dataset, number = dataset[mixed], number[mixed]
    names = tuple(f"set{at}" for at in range(len(sizes)))
    uri = np.array([f"/data/{at}.png" for at in number], dtype=object)
    hashes = [uri_hashes(name, uri[dataset == at]) for at, name in enumerate(names)]
    row = np.concatenate([np.arange(size) for size in sizes])
    return PointIndex(datasets=names, dataset=dataset, row=row, hash=np.concatenate(hashes))


def listed(images: list[int], neighbors: list[list[int]] | None = None, level: str = "P2") -> OutlierList:
    count = len(images)
    near = np.array(neighbors if neighbors else np.zeros((count, 0)), dtype=np.int64).reshape(count, -1)
    return OutlierList(
        level=level,
        query=0,
        reference=1,
        image=np.array(images, dtype=np.int64),
        rank=np.arange(1, count + 1, dtype=np.int32),
        reason=np.zeros(count, np.uint8),
        numbers=np.zeros((count, 4), np.float32),
        neighbors=near,
    )


def names(where: PointIndex, chosen: Selection) -> set[tuple[int, int]]:
    drawn = chosen.image[chosen.drawn]
    return set(zip(where.dataset[drawn].tolist(), where.hash[drawn].tolist(), strict=True))


def test_everything_is_drawn_where_it_fits() -> None:
    where = places([30, 20])
    chosen = select_images(where, [listed([3, 1])], max_drawn=50)
    assert sorted(chosen.image) == list(range(50))
    assert chosen.drawn.all()


@pytest.mark.parametrize("sizes", [[500, 500], [990, 10], [1000, 0], [400, 300, 200, 100], [3, 997]])
def test_no_more_is_drawn_than_allowed(sizes: list[int]) -> None:
    chosen = select_images(places(sizes), [listed([5, 0] if sizes[0] > 5 else [0])], max_drawn=100)
    assert 100 - len(sizes) <= chosen.drawn.sum() <= 100


def test_listed_outliers_are_all_drawn_and_come_first_by_rank() -> None:
    outliers = [17, 950, 3, 500]
    chosen = select_images(places([600, 400]), [listed(outliers)], max_drawn=50)
    assert chosen.image[:4].tolist() == outliers
    assert chosen.drawn[:4].all()
    assert (chosen.outliers, chosen.outliers_drawn) == (4, 4)


def test_an_outlier_of_any_level_is_drawn() -> None:
    chosen = select_images(places([600, 400]), [listed([1], level="P2"), listed([2], level="P3")], max_drawn=10)
    assert {1, 2} <= set(chosen.image[chosen.drawn].tolist())


def test_the_best_ranked_outliers_are_drawn_where_not_all_fit() -> None:
    chosen = select_images(places([600, 400]), [listed(list(range(100)))], max_drawn=50, max_outliers=20)
    drawn = set(chosen.image[chosen.drawn].tolist())
    assert {*range(20)} <= drawn
    assert not drawn & {*range(20, 100)}
    assert (chosen.outliers, chosen.outliers_drawn) == (100, 20)


def test_the_sample_does_not_depend_on_the_order_of_the_images() -> None:
    shuffled = np.random.default_rng(1).permutation(1000)
    plain, mixed = places([700, 300]), places([700, 300], shuffled)
    assert names(plain, select_images(plain, [], max_drawn=100)) == names(
        mixed, select_images(mixed, [], max_drawn=100)
    )


def test_the_sample_is_the_same_each_time() -> None:
    first, second = (select_images(places([700, 300]), [listed([9])], max_drawn=100) for _ in range(2))
    assert first.image.tolist() == second.image.tolist()
    assert first.drawn.tolist() == second.drawn.tolist()


def test_the_sample_is_spread_evenly_over_a_dataset() -> None:
    where = places([20_000, 20_000])
    drawn = select_images(where, [], max_drawn=4_000).image
    tenths = np.histogram(where.row[drawn], bins=10, range=(0, 20_000))[0]
    assert tenths.sum() == 4_000
    assert abs(tenths - 400).max() < 5 * np.sqrt(400)


def test_a_small_dataset_keeps_enough_points_to_be_seen() -> None:
    where = places([100_000, 300])
    drawn = select_images(where, [], max_drawn=2_000)
    assert (where.dataset[drawn.image] == 1).sum() == 300


def test_neighbors_of_drawn_outliers_are_on_the_page_but_not_drawn() -> None:
    where = places([1000, 1000])
    near = [1500, 1501, -1]
    chosen = select_images(where, [listed([4], [near])], max_drawn=1)
    assert chosen.image.tolist()[0] == 4
    assert set(chosen.image.tolist()) == {4, 1500, 1501}
    assert chosen.drawn.tolist() == [True, False, False]


def test_neighbors_have_a_cap_of_their_own() -> None:
    near = [[1000 + 2 * at, 1001 + 2 * at] for at in range(50)]
    chosen = select_images(places([1000, 1000]), [listed(list(range(50)), near)], max_drawn=50, max_neighbors=10)
    assert (~chosen.drawn).sum() == 10
    assert set(chosen.image[~chosen.drawn].tolist()) == set(range(1000, 1010))


def test_what_is_typical_of_a_cluster_is_on_the_page_behind_the_outliers() -> None:
    where = places([1000, 1000])
    typical = OneSidedCluster(cluster=0, images=9, dataset=1, share=1.0, typical=np.array([1700, 1800]))
    chosen = select_images(where, [listed([4], [[1500, -1, -1]])], [typical], max_drawn=1)
    assert chosen.image.tolist()[:2] == [4, 1500]
    assert set(chosen.image.tolist()) == {4, 1500, 1700, 1800}
    assert chosen.important == 4


def test_numbers_find_an_image_on_the_page() -> None:
    chosen = select_images(places([20, 20]), [], max_drawn=10)
    number = chosen.page_numbers(40)
    assert number[chosen.image].tolist() == list(range(len(chosen.image)))
    assert number[-1] == -1
    assert (number >= 0).sum() == len(chosen.image)


def test_no_image_at_all() -> None:
    chosen = select_images(places([0, 0]), [], max_drawn=10)
    assert len(chosen.image) == 0
