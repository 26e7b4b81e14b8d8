"""What a comparison knows of its rules before its job begins."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gapscope
from gapscope.errors import OptionError, RunError
from gapscope.gate import read_rules
from gapscope.gate.before import check_before


def check(tmp_path: Path, *rules: str, datasets: dict[str, str] | None = None, **options: Any) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir(exist_ok=True)
    sources = datasets or {"real": str(tmp_path / "a"), "synthetic": str(tmp_path / "b")}
    check_before(read_rules(rules), sources, {"out": tmp_path / "run", "model": "bundled", **options})


def test_names_that_the_comparison_will_have_pass(tmp_path: Path) -> None:
    check(tmp_path, "real-vs-synthetic P6 style-aside share < 5%", "class:whatever gap < 5%", "any kind")
    check(tmp_path, "P3 share < 5%", levels=["P3"])


@pytest.mark.parametrize(
    ("rule", "options", "words"),
    [
        ("P7 share < 5%", {}, "there is no level P7; there are P2, P3, P4, P5, P6"),
        ("P5 share < 5%", {"levels": ["P3"]}, "there is no level P5; there are P3"),
        ("reel-vs-synthetic share < 5%", {}, "there is no dataset reel; did you mean real"),
        ("style-aside share < 5%", {"readings": "as-is"}, "nothing is compared style-aside"),
    ],
)
def test_names_that_it_will_not_have_are_told_at_once(
    rule: str, options: dict[str, Any], words: str, tmp_path: Path
) -> None:
    with pytest.raises(OptionError, match=words):
        check(tmp_path, rule, **options)


def test_pairs_that_a_reference_leaves_out_are_told(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    datasets = {name: str(tmp_path / "a") for name in ("real", "old", "new")}
    check(tmp_path, "old-vs-real share < 5%", datasets=datasets, reference="real")
    with pytest.raises(OptionError, match="old-vs-new is not compared"):
        check(tmp_path, "old-vs-new share < 5%", datasets=datasets, reference="real")


def test_levels_that_datasets_bring_are_known(tmp_path: Path) -> None:
    for name in ("a", "b"):
        np.savez(tmp_path / f"{name}.npz", clip=np.zeros((9, 4), np.float32))
    datasets = {"real": str(tmp_path / "a.npz"), "synthetic": str(tmp_path / "b.npz")}
    check(tmp_path, "clip share < 5%", datasets=datasets)
    with pytest.raises(OptionError, match="there is no level clap; did you mean clip"):
        check(tmp_path, "clap share < 5%", datasets=datasets)


def test_an_earlier_run_that_is_not_there_or_was_made_otherwise_is_told(
    tmp_path: Path, small_run: gapscope.Run
) -> None:
    check(tmp_path, f"diff {small_run.path}: nothing wider", size=96)
    with pytest.raises(RunError, match="none"):
        check(tmp_path, f"diff {tmp_path / 'none'}: nothing wider")
    for options, words in (
        ({"size": 64}, "has size 96, and this comparison 64"),
        ({"size": 96, "metric": "euclidean"}, "has metric cosine, and this comparison euclidean"),
        ({"model": "fasterrcnn_resnet50_fpn_v2"}, "embeds with model bundled"),
    ):
        with pytest.raises(RunError, match=words):
            check(tmp_path, f"diff {small_run.path}: nothing wider", **options)
    others = {"photos": str(tmp_path / "a"), "renders": str(tmp_path / "b")}
    with pytest.raises(RunError, match="a dataset must have the same name in both runs"):
        check(tmp_path, f"diff {small_run.path}: nothing wider", datasets=others, size=96)
