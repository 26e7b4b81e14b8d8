"""The JSON document of each command: what `--json` prints. `gapscope schema COMMAND` prints its JSON Schema."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, json

VERSION = 1
"""Of all formats; it grows when a field is removed or means something else. New fields may come at any time."""


class Document(Struct, kw_only=True, frozen=True):
    """What a command found."""


class Estimate(Struct, kw_only=True, frozen=True):
    """A number with its 95% interval; null where it has none."""

    value: float
    low: float | None
    high: float | None


class Finding(Struct, kw_only=True, frozen=True):
    """What a rule comes to at one place."""

    where: Annotated[str, Meta(description="Pair, level, reading, class or kind, as far as the rule is about these.")]
    verdict: Literal["holds", "fails", "undecided"]
    value: float | None
    low: Annotated[float | None, Meta(description="Lower end of the 95% interval.")]
    high: Annotated[float | None, Meta(description="Upper end of the 95% interval.")]
    reason: str
    kind: Annotated[str | None, Meta(description="Id of the kind that it is about.")]


class RuleResult(Struct, kw_only=True, frozen=True):
    """A rule, and what was found."""

    rule: str
    verdict: Literal["holds", "fails", "undecided"]
    findings: list[Finding]


class Gate(Struct, kw_only=True, frozen=True):
    """What a gate found: 0 holds, 1 does not hold, 3 cannot be told."""

    verdict: Literal["holds", "fails", "undecided"]
    exit_code: Literal[0, 1, 3]
    rules: list[RuleResult]


class GateDocument(Document, kw_only=True, frozen=True):
    """What `gapscope gate` found."""

    format: Literal["gapscope.gate/1"] = "gapscope.gate/1"
    run: str
    gate: Gate
    markdown: Annotated[str | None, Meta(description="The Markdown file that was written.")]


class Dataset(Struct, kw_only=True, frozen=True):
    """A dataset, and what became of its images."""

    name: str
    listed: int
    read: int
    rejected: int
    groups: int


class LevelNumbers(Struct, kw_only=True, frozen=True):
    """The numbers of one level, ordered pair and reading."""

    level: str
    reading: Literal["as-is", "style-aside"]
    basis: Annotated[
        Literal["calibrated", "suggested", "ranking"] | None,
        Meta(description="What the list rests on style aside; null as it is."),
    ]
    listed: Annotated[float, Meta(description="Share of the query's groups that are listed, 0 to 1.")]
    share: Annotated[Estimate, Meta(description="Estimated share of the query that is not like the reference.")]
    kid: Annotated[Estimate | None, Meta(description="Kernel distance of the two datasets.")]
    beyond_noise: Annotated[bool | None, Meta(description="Whether the datasets differ as a whole.")]


class PairNumbers(Struct, kw_only=True, frozen=True):
    """What an ordered pair of datasets says."""

    query: str
    reference: str
    headline: str
    too_few: Annotated[str | None, Meta(description="What cannot be listed for want of groups.")]
    levels: list[LevelNumbers]


class Kind(Struct, kw_only=True, frozen=True):
    """A kind of image that the reference lacks, has too few of, or shows differently."""

    id: str
    sort: Literal["absent", "rare", "looks-different", "arranged-differently", "only-here"]
    query: str
    reference: str
    title: str
    name: str
    name_source: str
    images: int
    groups: int
    share: float
    levels: list[str]
    q: float | None
    mirror: str | None
    advice: str
    pictures: Annotated[list[str], Meta(description="Uris of images that stand for it.")]


class RunDocument(Document, kw_only=True, frozen=True):
    """A finished run: what `compare`, `update`, `resume` and `demo` print."""

    format: Literal["gapscope.run/1"] = "gapscope.run/1"
    version: Annotated[str, Meta(description="Of gapscope.")]
    run: str
    report: str
    datasets: list[Dataset]
    pairs: list[PairNumbers]
    kinds: Annotated[list[Kind], Meta(description="The worst first.")]
    warnings: list[str]
    gate: Annotated[Gate | None, Meta(description="With --fail-if.")] = None
    tracked: Annotated[str | None, Meta(description="Address of the tracker's run, with --track.")] = None


class ModelEntry(Struct, kw_only=True, frozen=True):
    """A network that images can be embedded with."""

    name: str
    levels: list[str]
    size: Annotated[int, Meta(description="Side of the square that it sees, in pixels.")]
    about: str


class ModelsDocument(Document, kw_only=True, frozen=True):
    """What `gapscope models` lists; `timm:NAME` names further ones."""

    format: Literal["gapscope.models/1"] = "gapscope.models/1"
    models: list[ModelEntry]


class ConfigDocument(Document, kw_only=True, frozen=True):
    """A run's datasets and options."""

    format: Literal["gapscope.config/1"] = "gapscope.config/1"
    run: str
    file: Annotated[str | None, Meta(description="The TOML file that was written.")]
    toml: str


class ReportDocument(Document, kw_only=True, frozen=True):
    """Where `gapscope report` wrote the page."""

    format: Literal["gapscope.report/1"] = "gapscope.report/1"
    run: str
    page: str


class ServeDocument(Document, kw_only=True, frozen=True):
    """Where `gapscope serve` listens; it is printed at once. The address holds a secret."""

    format: Literal["gapscope.serve/1"] = "gapscope.serve/1"
    run: str
    url: str


class ExportDocument(Document, kw_only=True, frozen=True):
    """What `gapscope export` wrote."""

    format: Literal["gapscope.export/1"] = "gapscope.export/1"
    run: str
    to: str
    written: str


class NumberChange(Struct, kw_only=True, frozen=True):
    """A number of one level, ordered pair and reading in both runs."""

    query: str
    reference: str
    level: str
    reading: Literal["as-is", "style-aside"]
    number: str
    before: Estimate
    after: Estimate
    p: Annotated[float, Meta(description="Corrected for how many numbers there are.")]
    verdict: Literal["smaller", "larger", "no change"]
    widens: bool


class KindChange(Struct, kw_only=True, frozen=True):
    """A kind of either run; where a run lacks it, its id is empty and its share 0."""

    verdict: Literal["closed", "smaller", "larger", "new", "as before"]
    query: str
    reference: str
    name: str
    name_source: str
    sort: str
    before: str
    after: str
    groups_before: int
    groups_after: int
    share_before: float
    share_after: float


class ClassChange(Struct, kw_only=True, frozen=True):
    """A class whose gap changed, or which appeared or vanished, at one level and reading."""

    verdict: Literal["appeared", "vanished", "smaller", "larger"]
    query: str
    reference: str
    level: str
    reading: Literal["as-is", "style-aside"]
    name: str
    before: Estimate
    after: Estimate


class DiffDocument(Document, kw_only=True, frozen=True):
    """What `gapscope diff` found."""

    format: Literal["gapscope.diff/1"] = "gapscope.diff/1"
    before: str
    after: str
    left_out: Annotated[str | None, Meta(description="Which datasets only one run has.")]
    numbers: list[NumberChange]
    kinds: list[KindChange]
    classes: list[ClassChange]
    page: Annotated[str | None, Meta(description="The page that was written.")]
    markdown: Annotated[str | None, Meta(description="The Markdown file that was written.")]
    gate: Annotated[Gate | None, Meta(description="With --fail-if.")]


class PlanStage(Struct, kw_only=True, frozen=True):
    """What one stage would take; null where it takes none worth naming."""

    name: str
    seconds: float
    disk_bytes: int | None
    memory_bytes: int | None
    how: Annotated[str, Meta(description="What the estimate rests on.")]


class PlanDocument(Document, kw_only=True, frozen=True):
    """What a whole job would take."""

    format: Literal["gapscope.plan/1"] = "gapscope.plan/1"
    images: dict[str, int]
    device: Annotated[str, Meta(description="What was measured; empty where nothing was.")]
    images_per_second: float
    workers: int
    stages: list[PlanStage]
    seconds: float
    slowest: str
    limit: str
    cost: float | None
    planning_seconds: float


class DoctorFinding(Struct, kw_only=True, frozen=True):
    """The result of one check."""

    name: str
    works: Annotated[bool | None, Meta(description="False if a run needs it and would fail; null if it is optional.")]
    message: str


class DoctorDocument(Document, kw_only=True, frozen=True):
    """What works on this machine."""

    format: Literal["gapscope.doctor/1"] = "gapscope.doctor/1"
    works: bool
    findings: list[DoctorFinding]


class VerifyCheck(Struct, kw_only=True, frozen=True):
    """One kind of thing that was checked."""

    what: str
    count: int
    unit: str
    waiting: Annotated[str, Meta(description="What is not made yet; empty where all is.")]


class VerifyFault(Struct, kw_only=True, frozen=True):
    """Something that is wrong."""

    path: str
    problem: str
    remedy: str


class VerifyDocument(Document, kw_only=True, frozen=True):
    """Whether a run is whole."""

    format: Literal["gapscope.verify/1"] = "gapscope.verify/1"
    run: str
    sound: bool
    finished: bool
    repaired: bool
    checks: list[VerifyCheck]
    faults: list[VerifyFault]


class TrackDocument(Document, kw_only=True, frozen=True):
    """Where a tracker has a run."""

    format: Literal["gapscope.track/1"] = "gapscope.track/1"
    run: str
    url: str
    run_id: Annotated[str, Meta(description="The tracker's own id of it.")]
    left_out: Annotated[list[str], Meta(description="Files that were too large.")]


class HistoryVersion(Struct, kw_only=True, frozen=True):
    """A version of a comparison."""

    name: str
    run: str
    created: str
    images: Annotated[dict[str, int], Meta(description="By dataset.")]
    kinds: Annotated[dict[str, int], Meta(description="By ordered pair.")]


class HistoryNumber(Struct, kw_only=True, frozen=True):
    """A number of one version, level, ordered pair and reading."""

    version: str
    query: str
    reference: str
    level: str
    reading: Literal["as-is", "style-aside"]
    number: str
    value: float
    low: float
    high: float


class HistoryKind(Struct, kw_only=True, frozen=True):
    """A kind that was followed, at one version; groups and share are 0 where that version lacks it."""

    kind: str
    query: str
    reference: str
    name: str
    name_source: str
    version: str
    id: Annotated[str, Meta(description="In that version; empty where it lacks the kind.")]
    groups: int
    share: float
    event: Annotated[str, Meta(description="What happened at this version: appeared, vanished, or nothing.")]


class HistoryDocument(Document, kw_only=True, frozen=True):
    """How the gap went over versions, the oldest first."""

    format: Literal["gapscope.history/1"] = "gapscope.history/1"
    files: Annotated[list[str], Meta(description="The page and the tables that were written.")]
    versions: list[HistoryVersion]
    numbers: list[HistoryNumber]
    kinds: list[HistoryKind]
    notes: list[str]


class BenchDocument(Document, kw_only=True, frozen=True):
    """What a benchmark measured, as in the file that it wrote; docs/benchmarks.md says what it holds."""

    format: Literal["gapscope.bench/1"] = "gapscope.bench/1"
    file: str
    result: dict[str, Any]


class BenchVerdict(Struct, kw_only=True, frozen=True):
    """One measure in two results."""

    measure: str
    unit: str
    verdict: Literal["worse", "better", "same", "unsure"]
    old: Annotated[list[float], Meta(description="Its repeats in the earlier result.")]
    new: list[float]
    change: Annotated[float | None, Meta(description="Of the median, relative to the earlier one.")]
    p: float | None


class BenchCompareDocument(Document, kw_only=True, frozen=True):
    """What became slower, larger or worse from one result to another."""

    format: Literal["gapscope.bench-compare/1"] = "gapscope.bench-compare/1"
    machines: Annotated[list[str], Meta(description="What differs between the two machines.")] = []
    verdicts: list[BenchVerdict] = []
    file: Annotated[str | None, Meta(description="With --out or more than two results: where they are joined.")] = None
    joined: Annotated[dict[str, Any] | None, Meta(description="The content of that file.")] = None


DOCUMENTS: dict[str, type[Document]] = {
    "compare": RunDocument,
    "update": RunDocument,
    "resume": RunDocument,
    "demo": RunDocument,
    "gate": GateDocument,
    "diff": DiffDocument,
    "history": HistoryDocument,
    "track": TrackDocument,
    "models": ModelsDocument,
    "config": ConfigDocument,
    "report": ReportDocument,
    "serve": ServeDocument,
    "export": ExportDocument,
    "plan": PlanDocument,
    "doctor": DoctorDocument,
    "verify": VerifyDocument,
    "bench reduce": BenchDocument,
    "bench scale": BenchDocument,
    "bench compare": BenchCompareDocument,
}
"""The document of each command."""


def schema_of(command: str) -> dict[str, Any]:
    """Return the JSON Schema of a command's document.

    Example:
        >>> schema_of("models")["$defs"]["ModelEntry"]["required"]
        ['name', 'levels', 'size', 'about']
    """
    schema = json.schema(DOCUMENTS[command])
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"gapscope {command} --json", **schema}
