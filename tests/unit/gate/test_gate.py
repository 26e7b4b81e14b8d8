"""Gates on runs with planted gaps: what holds, what does not, and what cannot be told."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from fake_run import FakeRunSpec, write_fake_run
from unprivileged import unprivileged
from vector_run import compare_vectors

import gapscope
from gapscope import Run
from gapscope.errors import OptionError, RunError
from gapscope.gate import GateResult
from gapscope.gate.changes import difference
from gapscope.gate.judge import judge_interval
from gapscope.gate.measured import share_interval

PLAIN = 400


def compared(folder: Path, real: dict[str, int], synthetic: dict[str, int], plain: int = PLAIN, **options: str) -> Run:
    """Compare a cloud with another of the same law; each kind lies close together, far from the cloud."""
    vectors, names = {}, {}
    for seed, (dataset, counts) in enumerate({"real": real, "synthetic": synthetic}.items()):
        random = np.random.default_rng(seed)
        parts = [random.normal(size=(plain, 16))]
        for axis, count in enumerate(counts.values()):
            part = 0.3 * random.normal(size=(count, 16))
            part[:, axis] += 9
            parts.append(part)
        vectors[dataset] = {"P3": np.concatenate(parts)}
        names[dataset] = ["plain"] * plain + [name for name, count in counts.items() for _ in range(count)]
    return compare_vectors(folder, vectors, metadata=names, metric=options.get("metric", "euclidean"))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gates")


@pytest.fixture(scope="module")
def lacking(folder: Path) -> Run:
    """The renders have no cats; both have dogs."""
    return compared(folder / "lacking", {"cat": 80, "dog": 60}, {"cat": 0, "dog": 60})


@pytest.fixture(scope="module")
def filled(folder: Path) -> Run:
    """The renders have all that the photos have."""
    return compared(folder / "filled", {"cat": 80, "dog": 60}, {"cat": 80, "dog": 60})


@pytest.fixture(scope="module")
def tiny(folder: Path) -> Run:
    """Too few images to tell."""
    return compared(folder / "tiny", {}, {}, plain=20)


def verdicts(run: Run, *rules: str, earlier: Run | None = None) -> list[str]:
    return [rule.verdict for rule in gapscope.gate(run, rules, earlier=earlier).rules]


def test_a_planted_gap_fails_its_absence_holds_and_few_images_cannot_tell(lacking: Run, filled: Run, tiny: Run) -> None:
    # The share of cats, 15%, is outside for sure, and a fifth is more than there can be.
    rules = "real-vs-synthetic P3 as-is share < 5%", "real-vs-synthetic P3 as-is share < 60%", "any kind"
    assert verdicts(lacking, *rules) == ["fails", "holds", "fails"]
    assert verdicts(filled, "real-vs-synthetic P3 as-is share < 60%", "any kind", "kid within noise") == ["holds"] * 3
    assert verdicts(tiny, *rules) == ["undecided"] * 3
    codes = [gapscope.gate(run, ["any kind"]).exit_code for run in (filled, lacking, tiny)]
    assert codes == [0, 1, 3]


def test_a_finding_has_the_number_and_interval_of_the_run(lacking: Run) -> None:
    metrics = lacking.metrics["levels"]["P3"]["pairs"]["real-vs-synthetic"]
    (found,) = gapscope.gate(lacking, ["real-vs-synthetic as-is share < 5%"]).rules[0].findings
    assert (found.value, found.low, found.high) == (
        metrics["share_outside"],
        metrics["share_outside_low"],
        metrics["share_outside_high"],
    )
    assert found.where == "real-vs-synthetic P3 as-is"
    for name in ("kid", "coverage", "precision", "frechet"):
        (found,) = gapscope.gate(lacking, [f"real-vs-synthetic as-is {name} < 1"]).rules[0].findings
        measure = metrics["measures"][name]
        assert (found.value, found.low, found.high) == (measure["value"], measure["low"], measure["high"])


def test_a_rule_means_all_that_it_does_not_name(lacking: Run) -> None:
    found = gapscope.gate(lacking, ["share < 5%"]).rules[0]
    pairs, readings = ("real-vs-synthetic", "synthetic-vs-real"), ("as-is", "style-aside")
    places = {f"{pair} P3 {reading}" for pair in pairs for reading in readings}
    assert {finding.where for finding in found.findings} == places
    # One place where it does not hold is enough, and comes first.
    assert found.verdict == found.findings[0].verdict == "fails"


def test_kinds_by_name_sort_and_number(lacking: Run, filled: Run) -> None:
    gap = next(gap for gap in lacking.gaps_record["kinds"] if gap["name"] == "cat")
    (found, _) = gapscope.gate(lacking, ["kind:cat share < 5%"]).rules[0].findings
    assert (found.value, found.kind, found.verdict) == (gap["share"], gap["id"], "fails")
    assert found.low is not None
    assert found.high is not None
    assert found.low < gap["share"] < found.high
    # Cats are there now, so that the kind is gone: it holds, though no such kind is found.
    sort, other = gap["sort"], "only-here"
    assert verdicts(filled, "kind:cat share < 5%", "no kind:cat", f"{sort} kinds < 1") == ["holds"] * 3
    assert verdicts(lacking, "no kind:cat", f"no {sort} kind", f"{sort} kinds < 1") == ["fails"] * 3
    assert verdicts(lacking, "no kind:d*", f"no {other} kind", "kinds < 2") == ["holds"] * 3


def test_what_is_new_or_wider_than_in_the_earlier_run(lacking: Run, filled: Run, tiny: Run) -> None:
    rules = "any new kind", "nothing wider", "real-vs-synthetic as-is share change < 5%"
    assert verdicts(lacking, *rules, earlier=filled) == ["fails", "fails", "undecided"]
    assert verdicts(filled, *rules[:2], earlier=lacking) == ["holds", "holds"]
    assert verdicts(filled, *rules[:2], earlier=filled) == ["holds", "holds"]
    # Nothing can be new or wider for sure where either run could not have listed it.
    assert verdicts(tiny, *rules[:2], earlier=filled) == ["undecided", "undecided"]
    assert verdicts(lacking, "any new kind", earlier=tiny) == ["undecided"]
    # A rule may name the earlier run itself.
    assert verdicts(lacking, f"diff {filled.path}: any new kind") == ["fails"]


def test_names_that_are_not_there_are_the_users_mistake(lacking: Run, folder: Path) -> None:
    for rule, words in {
        "P4 share < 5%": "there is no level P4; there are P3",
        "reel-vs-synthetic share < 5%": "there is no dataset reel; did you mean real?",
        "real-vs-real share < 5%": "real-vs-real is not compared",
        "class:car gap < 5%": "has no classes",
    }.items():
        with pytest.raises(OptionError, match=words):
            gapscope.gate(lacking, [rule])
    with pytest.raises(RunError, match="none"):
        gapscope.gate(lacking, [f"diff {folder / 'none'}: nothing wider"])
    other = compared(folder / "other", {}, {}, metric="cosine")
    with pytest.raises(RunError, match="compare like with like"):
        gapscope.gate(lacking, ["nothing wider"], earlier=other)


def test_classes_are_judged_where_the_query_has_them(tmp_path: Path) -> None:
    files = {
        "real": [f"{name}/{number}.png" for name in ("car", "bus") for number in range(6)],
        "synthetic": [f"car/{number}.png" for number in range(6)],
    }
    run = write_fake_run(tmp_path, FakeRunSpec(images=files, acting=True, levels=("P3",), readings="as-is"))
    table = run.classes().set_index(["query", "class"])
    (bus,) = gapscope.gate(run, ["class:bus gap < 5%"]).rules[0].findings
    assert (bus.where, bus.verdict) == ("real-vs-synthetic P3 as-is class bus", "fails")
    assert (bus.value, bus.low, bus.high) == tuple(table.loc[("real", "bus"), ["gap", "gap_low", "gap_high"]])
    every = gapscope.gate(run, ["class:* gap < 5%"]).rules[0].findings
    assert {finding.where.split()[-1] for finding in every} == {"car", "bus"}
    (nothing,) = gapscope.gate(run, ["synthetic-vs-real class:bus gap < 5%"]).rules[0].findings
    assert (nothing.verdict, nothing.reason) == ("undecided", "synthetic has no image of it")
    with pytest.raises(OptionError, match="there is no class buss; did you mean bus"):
        gapscope.gate(run, ["class:buss gap < 5%"])


def test_the_gates_verdict_is_the_worst(lacking: Run) -> None:
    def result(*rules: str) -> GateResult:
        return gapscope.gate(lacking, rules)

    assert result("images > 1").exit_code == 0
    assert result("images > 1", "probe > 50%").exit_code == 3
    assert result("images > 1", "probe > 50%", "any kind").exit_code == 1


def test_runs_that_may_only_be_read_are_judged(lacking: Run, filled: Run, tmp_path: Path) -> None:
    copies = []
    for name, run in (("before", filled), ("after", lacking)):
        shutil.copytree(str(run.path), tmp_path / name)
        folders = [tmp_path / name, *(path for path in (tmp_path / name).rglob("*") if path.is_dir())]
        for folder in folders:
            folder.chmod(0o555)
        copies.append(folders)
    with unprivileged():
        found = gapscope.gate(gapscope.open_run(tmp_path / "after"), ["nothing wider"], earlier=tmp_path / "before")
    for folder in [folder for folders in copies for folder in folders]:
        folder.chmod(0o755)
    assert found.verdict == "fails"


@pytest.mark.slow
def test_a_limit_at_the_truth_is_seldom_called_broken_or_kept() -> None:
    # The limit is the true share, so that either verdict is wrong: each in one of forty at most.
    random = np.random.default_rng(0)
    for groups, share in ((50, 0.1), (400, 0.1), (400, 0.5)):
        counts = random.binomial(groups, share, size=2000)
        found = [judge_interval(share_interval(count / groups, groups), "<", share) for count in counts.tolist()]
        for verdict in ("holds", "fails"):
            assert found.count(verdict) / len(found) <= 0.025 + 3 * (0.025 / 2000) ** 0.5


@pytest.mark.slow
def test_the_interval_of_a_change_holds_the_true_change() -> None:
    random = np.random.default_rng(1)
    for groups, before, after in ((100, 0.3, 0.3), (100, 0.1, 0.4), (500, 0.02, 0.05)):
        pairs = zip(
            random.binomial(groups, before, size=2000).tolist(),
            random.binomial(groups, after, size=2000).tolist(),
            strict=True,
        )
        inside = 0
        for first, second in pairs:
            _, low, high = difference(share_interval(first / groups, groups), share_interval(second / groups, groups))
            inside += low <= after - before <= high
        assert inside / 2000 >= 0.94
