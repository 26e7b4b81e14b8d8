"""Rules of a gate as text: equal rules in other words, and mistakes that are one clear line."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapscope.errors import OptionError
from gapscope.gate import RuleSet, parse_rule, read_rules
from gapscope.gate.numbers import NUMBERS
from gapscope.gate.rules import AnyRule, LimitRule

WORDS = [
    *NUMBERS["level"],
    *NUMBERS["class"],
    *("any", "no", "nothing", "anything", "new", "larger", "kind", "kinds", "wider", "change", "within", "noise"),
    *(
        "as-is",
        "style-aside",
        "absent",
        "real-vs-synthetic",
        "P5",
        "class:car",
        "kind:K1",
        "diff",
        "diff RUN:",
        "level:x",
    ),
    *("<", "<=", ">", ">=", "5%", "0.1", "-1", "nan", "1e9", "%", "'", '"', "class:", "a-vs-", "::", "class:'a b'"),
]


def parsed(text: str) -> AnyRule:
    return replace(parse_rule(text), text="")


@pytest.mark.parametrize(
    ("text", "same"),
    [
        # A gate says what must hold and `--fail-if` what must not: a limit is the same either way.
        ("real-vs-synthetic P5 style-aside share < 5%", "P5 style-aside real-vs-synthetic share >= 5%"),
        ("P5 share<0.05", "P5 share < 5%"),
        ("P3 coverage > 80%", "P3 coverage <= 80%"),
        ("any new kind", "no new kinds"),
        ("nothing wider", "anything wider"),
        ("diff s3://bucket/v1: nothing wider", "diff  s3://bucket/v1 : anything wider"),
        ("class:'traffic light' gap < 20%", 'class:"traffic light" gap < 20%'),
        ("level:gap kid within noise", "kid level:gap within noise"),
        ("any class wider", "class:* nothing wider"),
    ],
)
def test_rules_that_mean_the_same_are_the_same(text: str, same: str) -> None:
    assert parsed(text) == parsed(same)


def test_a_number_of_which_neither_side_is_better_is_taken_as_it_is_written() -> None:
    must, must_not = parse_rule("images >= 1000"), parse_rule("images < 1000", is_failure=True)
    assert isinstance(must, LimitRule)
    assert isinstance(must_not, LimitRule)
    assert (must.operator, must.limit) == (must_not.operator, must_not.limit) == (">=", 1000)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("P5 shar < 5%", "did you mean 'share'?"),
        ("share < 5", "a share of 5 is more than all: write 5%"),
        ("share < five", "'five' is no limit"),
        ("share < nan", "'nan' is no limit"),
        ("share <", "a limit ends the rule"),
        ("< 5%", "names no number"),
        ("frechet < 5%", "frechet is no share"),
        ("P3 P5 share < 5%", "'P5' is not understood"),
        ("any new thing", "is no rule"),
        ("new kind", "is no rule"),
        ("P5 any new kind", "not of one level or reading"),
        ("anything new wider", "both wider and new"),
        ("real-vs- share < 5%", "write QUERY-vs-REFERENCE"),
        ("class: gap < 5%", "write class:NAME"),
        ("class:car kind:K1 share < 5%", "a rule for each"),
        ("class:car kid < 1", "names no number of a class"),
        ("style-aside kinds < 3", "not of one level or reading"),
        ("absent share < 3%", "share is not of absent kinds"),
        ("gap within noise", "gap has no noise floor"),
        ("kid within limits", "`within` stands before `noise`"),
        ("coverage change > -5%", "take one of share, kid"),
        ("diff run: share < 5%", "compares nothing with that run"),
    ],
)
def test_a_mistake_is_one_line_that_says_which_word_is_wrong(text: str, words: str) -> None:
    with pytest.raises(OptionError) as raised:
        parse_rule(text)
    assert str(raised.value).startswith(f"rule {text!r}: ")
    assert words in str(raised.value)


@given(st.one_of(st.text(max_size=60), st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join)))
def test_any_text_is_a_rule_or_one_line(text: str) -> None:
    try:
        rule = parse_rule(text)
    except OptionError as error:
        one_line = "\n" not in str(error)
    else:
        one_line = rule.text == text and not (isinstance(rule, LimitRule) and abs(rule.limit) == float("inf"))
    assert one_line


def test_rules_come_from_a_file_whose_paths_begin_at_its_folder(tmp_path: Path) -> None:
    file = tmp_path / "gate.toml"
    file.write_text('earlier = "runs/v1"\nrules = ["share < 5%", "nothing wider"]\n')
    found = read_rules(["any kind", file])
    assert [rule.text for rule in found.rules] == ["any kind", "share < 5%", "nothing wider"]
    assert found.earlier == str(tmp_path / "runs" / "v1")
    assert read_rules([file], earlier="s3://other").earlier == "s3://other"
    file.write_text('rules = ["diff v0: nothing wider", "diff s3://v0: any new kind"]\n')
    assert [rule.earlier for rule in read_rules([file]).rules] == [str(tmp_path / "v0"), "s3://v0"]
    # A rule that names no run takes the one that the others name.
    assert read_rules(["diff v1: nothing wider", "any new kind"]).earlier == "v1"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("rules = [", "is no TOML file"),
        ("rules = []", "it must have a list of rules"),
        ("rules = [1]", "it must have a list of rules"),
        ('rule = ["share < 5%"]', "there is no key rule"),
        ('earlier = 3\nrules = ["any kind"]', "the key earlier must be"),
        ('rules = ["nothing wider"]', "needs an earlier run"),
        ('rules = ["P5 shar < 5%"]', "names no number"),
    ],
)
def test_a_file_that_holds_no_rules_is_one_line(content: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "gate.toml").write_text(content)
    with pytest.raises(OptionError, match=words):
        read_rules([tmp_path / "gate.toml"])
    with pytest.raises(OptionError, match="cannot be read"):
        read_rules([tmp_path / "none.toml"])


def test_no_rules_are_a_set_of_none() -> None:
    assert read_rules([]) == RuleSet(())
