"""What a gate found: per rule, and per place where it looked, whether it holds."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["holds", "fails", "undecided"]
"""Whether a rule holds; `undecided` where the images are too few to tell, or an interval has the limit inside."""

EXIT_CODES: dict[Verdict, int] = {"holds": 0, "fails": 1, "undecided": 3}
WORDS: dict[Verdict, str] = {"holds": "holds", "fails": "does not hold", "undecided": "cannot be told"}
"""Verdicts as people read them."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a rule comes to at one place.

    Attributes:
        where: the place: pair, level, reading, class or kind, as far as the rule is about these.
        verdict: whether the rule holds there.
        value: the number; None where the rule is about none, or the run has none.
        low: lower end of its 95% interval; None where it has none.
        high: upper end.
        reason: the number with its interval in words, or why the verdict is as it is.
        kind: id of the kind that it is about; None for none.
    """

    where: str
    verdict: Verdict
    reason: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    kind: str | None = None


@dataclass(frozen=True, kw_only=True)
class RuleResult:
    """A rule and what was found.

    Attributes:
        rule: as the user wrote it.
        findings: one per place, those where it does not hold first.
    """

    rule: str
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Verdict:
        """Fails where any finding fails; else undecided where any is; else it holds."""
        return worst(finding.verdict for finding in self.findings)


@dataclass(frozen=True, kw_only=True)
class GateResult:
    """What a gate found.

    Attributes:
        run: path of the run.
        rules: what became of each rule.
    """

    run: str
    rules: tuple[RuleResult, ...]

    @property
    def verdict(self) -> Verdict:
        """Fails where any rule fails; else undecided where any is; else it holds."""
        return worst(rule.verdict for rule in self.rules)

    @property
    def exit_code(self) -> int:
        """0 where all rules hold, 1 where one does not, 3 where that cannot be told."""
        return EXIT_CODES[self.verdict]


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the worst of some verdicts.

    Example:
        >>> worst(["holds", "undecided"]), worst([])
        ('undecided', 'holds')
    """
    present = set(verdicts)
    return "fails" if "fails" in present else "undecided" if "undecided" in present else "holds"


def sorted_findings(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return findings, those that fail first, then those that are undecided."""
    order: Sequence[Verdict] = ("fails", "undecided", "holds")
    return tuple(sorted(findings, key=lambda finding: order.index(finding.verdict)))
