"""Markdown of gates and diffs: what a reader sees, and names of a stranger that must not become markup."""

import re
from pathlib import Path

import pytest
from fake_run import FakeRunSpec, write_fake_run
from PIL import Image

import gapscope
from gapscope.diff import Versions
from gapscope.diff.markdown import diff_markdown
from gapscope.gate import gate_markdown
from gapscope.pages.markdown import PictureFolder, append_markdown, code, escape


def test_the_markdown_of_a_gate_has_each_rule_and_a_picture_of_each_kind_that_breaks_one(
    small_run: gapscope.Run, tmp_path: Path
) -> None:
    rules = ["any kind", "images > 10"]
    result = gapscope.gate(small_run, rules)
    file = tmp_path / "summary.md"
    append_markdown(file, gate_markdown(small_run, result, PictureFolder.beside(file)))
    text = file.read_text(encoding="utf-8")
    for rule in result.rules:
        assert code(rule.rule) in text
    (picture,) = re.findall(r"!\[.*?\]\((.*?)\)", text)
    with Image.open(tmp_path / picture) as sheet:
        assert sheet.format == "JPEG"
    # A second command adds to the summary of the first.
    append_markdown(file, ["more"])
    assert file.read_text(encoding="utf-8") == f"{text}more\n\n"


def test_pictures_are_named_by_where_they_will_be_published(small_run: gapscope.Run, tmp_path: Path) -> None:
    folder = PictureFolder.beside(tmp_path / "summary.md", tmp_path / "public", "https://example.org/7/")
    lines = gate_markdown(small_run, gapscope.gate(small_run, ["any kind"]), folder)
    (address,) = re.findall(r"!\[.*?\]\((.*?)\)", "\n".join(lines))
    assert address == "https://example.org/7/K1.jpg"
    assert (tmp_path / "public" / "K1.jpg").is_file()


def test_the_markdown_of_a_diff_says_what_changed(small_run: gapscope.Run, tmp_path: Path) -> None:
    lines = diff_markdown(Versions(small_run, small_run), PictureFolder.beside(tmp_path / "s.md"))
    assert lines[0] == "## gapscope: small to small"
    assert "No kind closed, opened or changed beyond chance; 1 is as before" in lines[2]
    assert not (tmp_path / "s-pictures").exists()


@pytest.mark.parametrize(
    "name", ["<img src=x onerror=alert(1)>", "a|b\n# c", "[x](javascript:1)", "@everyone `x`", "**"]
)
def test_names_are_text_and_not_markup(name: str, tmp_path: Path) -> None:
    shown = escape(name)
    assert not re.search(r"(?<!\\)[\[\]<>|`*#@]", shown)
    assert "\n" not in shown
    assert not re.search(r"[<>|`@\n]", code(name).removeprefix("<code>").removesuffix("</code>"))


def test_a_run_with_odd_names_has_rows_of_as_many_cells_as_the_head(tmp_path: Path) -> None:
    images = {name: [f"a|b/{number}.png" for number in range(12)] for name in ("real", "synthetic")}
    run = write_fake_run(tmp_path / "fake", FakeRunSpec(images=images, kinds=True, acting=True))
    result = gapscope.gate(run, ["class:* gap < 5%", "any kind"])
    tables = [line for line in gate_markdown(run, result, PictureFolder.beside(tmp_path / "s.md")) if line[:1] == "|"]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in tables} == {4}
