"""Where there are few images or few clips, a run says what can be listed at all, and ranks them instead."""

from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import false_discovery_control, hypergeom
from sklearn.metrics import pairwise_distances
from vector_run import compare_vectors

from gapscope.compare.fdr import q_values
from gapscope.compare.headline import limit_message
from gapscope.compare.limits import ListingLimit, listing_limit
from gapscope.compare.outlier_tests import count_reference_neighbors, outside_p, under_p
from gapscope.run import Run
from gapscope.settings import CompareSettings
from gapscope.store.datasets import Pair
from gapscope.store.run_record import GroupRecord, RunRecord
from gapscope_cli.summary import print_summary

SIZES = (1, 2, 3, 10, 17, 18, 20, 45, 70)


def smallest_listed_gap(groups: int, references: int, settings: CompareSettings) -> int | None:
    """Give ever more groups the p-values of a clear gap, all others 1, and ask Benjamini and Hochberg."""
    k_local = min(settings.k_local, groups + references - 1)
    law = hypergeom(groups - 1 + references, references, k_local).cdf(np.arange(k_local + 1))
    for gap in range(1, groups + 1):
        # Nearest to each of the gap are the rest of it; what is left comes from all others alike.
        fellows = min(gap - 1, k_local)
        others = groups - 1 - fellows + references
        share = references / others if others else 0.0
        expected = int(np.ceil(np.round((k_local - fellows) * share, 9)))
        possible = [max(0, k_local - (groups - 1)), min(k_local, references)]
        count = min(max(expected, possible[0]), possible[1])
        for p in (1 / (references + 1), law[count]):
            tests = np.ones(groups)
            tests[:gap] = p
            if false_discovery_control(tests, method="bh").min() <= settings.fdr / 2:
                return gap
    return None


@pytest.mark.parametrize(
    "fdr", [pytest.param(0.05, marks=pytest.mark.slow), 0.1, pytest.param(0.3, marks=pytest.mark.slow)]
)
def test_the_smallest_gap_is_that_of_brute_force(fdr: float) -> None:
    settings = CompareSettings(fdr=fdr)
    for groups, references in product(SIZES, SIZES):
        expected = smallest_listed_gap(groups, references, settings)
        limit = listing_limit(groups, references, settings)
        assert limit.smallest_gap == expected, (groups, references)
        assert limit.few == (expected is None or expected > max(1, groups / 10)), (groups, references)


def test_two_against_ten_can_list_nothing() -> None:
    assert listing_limit(2, 10, CompareSettings()) == ListingLimit(None, few=True)
    assert listing_limit(10, 2, CompareSettings()) == ListingLimit(None, few=True)


def test_more_of_the_reference_never_raise_the_limit_much_and_thousands_have_none() -> None:
    assert not listing_limit(1000, 1000, CompareSettings()).few
    assert not listing_limit(1_000_000, 1_000_000, CompareSettings()).few
    # A single image can be sure where the reference is large.
    assert listing_limit(1, 10_000, CompareSettings()) == ListingLimit(1, few=False)


def listed(gap: int, seed: int, size: int = 60) -> int:
    """How many of a far gap in one of two like clouds are listed."""
    random = np.random.default_rng(seed)
    query, reference = random.normal(size=(2, size, 8))
    query[:gap] = query[:gap] / 50 + 20
    own, other, within = (
        pairwise_distances(*both) for both in ((query, query), (query, reference), (reference, reference))
    )
    for same in (own, within):
        np.fill_diagonal(same, np.inf)
    own, other, within = (np.sort(each, axis=1)[:, :30].astype(np.float32) for each in (own, other, within))
    counts, k_local = count_reference_neighbors(own, other, 30)
    p = outside_p(other[:, 4], within[:, 4]), under_p(counts, k_local, size, size)
    q = 2 * np.minimum(*(q_values(each) for each in p))
    return int((q[:gap] <= 0.1).sum())


def test_a_gap_above_the_limit_is_found_and_one_far_below_is_not() -> None:
    limit = listing_limit(60, 60, CompareSettings()).smallest_gap
    assert limit is not None
    found: NDArray[np.int64] = np.array([[listed(gap, seed) for seed in range(8)] for gap in (2 * limit, limit // 3)])
    assert (found[0] > limit).all()
    assert found[1].max() == 0


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two images, ten, and 35 frames that make up seven clips."""
    random = np.random.default_rng(0)
    vectors = {name: {"P5": random.normal(size=(size, 6))} for name, size in (("two", 2), ("ten", 10), ("film", 35))}
    folder = tmp_path_factory.mktemp("few") / "run"
    takes = [f"take {row // 5}" for row in range(35)]
    return compare_vectors(folder, vectors, group={"film": takes}, reference="ten")


def test_few_images_are_told_to_be_too_few_and_ranked(few: Run) -> None:
    limit = few.metrics["limits"]["two-vs-ten"]
    assert limit["smallest_gap"] is None
    assert limit["message"] == ("2 two images against 10 ten images are too few to list anything at 10%")
    ranking = few.metrics["levels"]["P5"]["pairs"]["two-vs-ten"]["ranking"]
    assert sorted(each["uri"] for each in ranking) == ["/two/0.png", "/two/1.png"]
    assert [each["group"] for each in ranking] == [each["uri"] for each in ranking]
    assert [each["p"] for each in ranking] == sorted(each["p"] for each in ranking)
    assert len(few.outliers("P5", "two", "ten")) == 0
    pair = few.metrics["levels"]["P5"]["pairs"]["two-vs-ten"]
    assert 0 <= pair["share_outside_low"] < pair["share_outside_high"] <= 1


def test_few_clips_are_told_to_be_few_however_many_frames_they_have(few: Run) -> None:
    message = few.metrics["limits"]["film-vs-ten"]["message"]
    assert message == ("35 film images in 7 groups against 10 ten images are too few to list anything at 10%")
    ranking = few.metrics["levels"]["P5"]["pairs"]["film-vs-ten"]["ranking"]
    assert len(ranking) == len({each["group"] for each in ranking}) == 7
    assert {each["images"] for each in ranking} == {5}
    assert all(few.metrics["levels"]["P5"]["pairs"][pair.name]["outliers"] == 0 for pair in few.pairs)


def test_the_summary_names_the_first_of_the_ranking(few: Run, capsys: pytest.CaptureFixture[str]) -> None:
    print_summary(few)
    shown = capsys.readouterr().out
    first = few.metrics["levels"]["P5"]["pairs"]["film-vs-ten"]["ranking"][0]
    assert f"here is the ranking: at P5 {first['group']} (p {first['p']:.2g}), take " in shown
    assert "None of the 35 film images in 7 groups stands out from ten at any level" in shown
    assert "0% (0 of 35 images, 0 of 7 groups)" in shown


def test_a_message_says_from_how_many_clips_on_a_gap_can_be_listed() -> None:
    record = RunRecord.of_embeddings({"real": 600, "synthetic": 300}, {"P5": 6}, block_rows=1024)
    record.datasets["real"].groups = GroupRecord(rule="bursts", unit="clip", count=20, typical=30, longest=40)
    for pair, groups, words in (
        (
            Pair("real", "synthetic"),
            (20, 20),
            "600 real images in 20 clips against 300 synthetic images: no single clip",
        ),
        (
            Pair("synthetic", "real"),
            (300, 20),
            "300 synthetic images against 600 real images in 20 clips: no single image",
        ),
    ):
        limit = listing_limit(*groups, CompareSettings())
        unit = record.group_unit(pair.query)
        assert limit_message(pair, limit, record, 0.1) == (
            f"{words} can be sure at 10%, only gaps of {limit.smallest_gap} {unit}s and more can be listed"
        )
    assert limit_message(Pair("real", "synthetic"), listing_limit(1000, 1000, CompareSettings()), record, 0.1) is None
