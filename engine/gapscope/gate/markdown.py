"""What a gate found as Markdown: each rule with its verdict, and pictures of the kinds that it speaks of."""

from gapscope.gate.result import WORDS, Finding, GateResult, Verdict
from gapscope.pages.markdown import PictureFolder, code, escape, folded, md_table
from gapscope.run import Run

_MOST_PICTURES = 8
_MOST_TELLING = 3
_SIGNS: dict[Verdict, str] = {"holds": "✅", "fails": "❌", "undecided": "❔"}


def gate_markdown(run: Run, result: GateResult, pictures: PictureFolder) -> list[str]:
    """Return what a gate found as lines of Markdown, and write the pictures of kinds that break a rule.

    Args:
        run: that the gate was held against.
        result: what it found.
        pictures: where pictures go.
    """
    title = f"## {_SIGNS[result.verdict]} gapscope: {escape(run.path.name)} {_SENTENCES[result.verdict]}"
    rows = [
        [
            f"{_SIGNS[rule.verdict]} {WORDS[rule.verdict]}",
            code(rule.rule),
            "<br>".join(_finding(each) for each in rule.findings[:_MOST_TELLING])
            + ("<br>…" if len(rule.findings) > _MOST_TELLING else ""),
        ]
        for rule in result.rules
    ]
    lines = [title, "", *md_table(["", "rule", "found"], rows)]
    named = {each.kind for rule in result.rules for each in rule.findings if each.kind and each.verdict != "holds"}
    for gap in [own for own in run.gaps_record["kinds"] if own["id"] in named][:_MOST_PICTURES]:
        lines += ["", f"**{gap['id']}, {escape(gap['title'])}**: {escape(gap['advice'])}"]
        if (picture := pictures.picture(run, gap, gap["id"])) is not None:
            lines += ["", picture]
    everything = [
        [_SIGNS[each.verdict], code(rule.rule), _finding(each)] for rule in result.rules for each in rule.findings
    ]
    if any(len(rule.findings) > _MOST_TELLING for rule in result.rules):
        lines += ["", *folded("Everything that was looked at", md_table(["", "rule", "found"], everything))]
    return lines


_SENTENCES: dict[Verdict, str] = {
    "holds": "keeps to all rules",
    "fails": "breaks a rule",
    "undecided": "cannot be judged by every rule",
}


def _finding(finding: Finding) -> str:
    return f"{escape(finding.where)}: {escape(finding.reason)}"
