"""Gates: whether a run keeps to rules, so that a pipeline stops where a gap grows."""

from gapscope.gate.judge import gate
from gapscope.gate.markdown import gate_markdown
from gapscope.gate.parse import parse_rule
from gapscope.gate.result import WORDS, Finding, GateResult, RuleResult
from gapscope.gate.rule_file import RuleSet, read_rules

__all__ = [
    "WORDS",
    "Finding",
    "GateResult",
    "RuleResult",
    "RuleSet",
    "gate",
    "gate_markdown",
    "parse_rule",
    "read_rules",
]
