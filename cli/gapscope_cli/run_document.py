"""A finished run as the JSON document of `compare`, `update`, `resume` and `demo`."""

from importlib.metadata import version
from typing import Any

from gapscope.compare.headline import is_beyond_noise
from gapscope.run import Run
from gapscope.store.datasets import Pair
from gapscope.store.metrics import PairMetrics, StyleAsideMetrics, warning_sentences
from gapscope_cli.documents import Dataset, Estimate, Gate, Kind, LevelNumbers, PairNumbers, RunDocument


def run_document(run: Run, gate: Gate | None, tracked: str | None) -> RunDocument:
    """Return a finished run as a document."""
    datasets = run.metrics["datasets"]
    return RunDocument(
        version=version("gapscope"),
        run=str(run.path),
        report=str(run.report),
        datasets=[
            Dataset(name=name, listed=own["listed"], read=own["read"], rejected=own["rejected"], groups=own["groups"])
            for name, own in datasets.items()
        ],
        pairs=[_pair(run, pair) for pair in run.pairs],
        kinds=[_kind(gap) for gap in run.gaps_record["kinds"]],
        warnings=warning_sentences(run.metrics),
        gate=gate,
        tracked=tracked,
    )


def _pair(run: Run, pair: Pair) -> PairNumbers:
    levels = []
    for level in run.levels:
        numbers = run.metrics["levels"][level]
        levels.append(_level(level, "as-is", numbers["pairs"][pair.name], None))
        if (aside := numbers["style_aside"].get(pair.name)) is not None:
            levels.append(_level(level, "style-aside", aside, aside))
    return PairNumbers(
        query=pair.query,
        reference=pair.reference,
        headline=run.metrics["headlines"][pair.name],
        too_few=run.metrics["limits"][pair.name]["message"],
        levels=levels,
    )


def _level(level: str, reading: Any, numbers: PairMetrics, aside: StyleAsideMetrics | None) -> LevelNumbers:
    kid = numbers["measures"].get("kid")
    return LevelNumbers(
        level=level,
        reading=reading,
        basis=None if aside is None else aside["basis"],
        listed=numbers["outlier_share"],
        share=Estimate(
            value=numbers["share_outside"], low=numbers["share_outside_low"], high=numbers["share_outside_high"]
        ),
        kid=None if kid is None else Estimate(value=kid["value"], low=kid["low"], high=kid["high"]),
        beyond_noise=is_beyond_noise(numbers),
    )


def _kind(gap: Any) -> Kind:
    own = {name: gap[name] for name in Kind.__struct_fields__ if name != "pictures"}
    return Kind(**own, pictures=[picture["uri"] for picture in gap["pictures"]])
