"""What metrics.json holds of classes: how far a probe that learned them from one dataset gets on the other."""

from typing import TypedDict


class ProbedClass(TypedDict):
    """How a probe does on one class of the tested dataset: images, its accuracy there, the ceiling, and their ratio."""

    name: str
    images: int
    accuracy: float
    ceiling: float
    share: float | None


class ProbeMetrics(TypedDict):
    """A linear probe of one level and reading: trained on the pair's reference, tested on its query.

    Attributes:
        per_class: images of each class that it was trained on, the same for the ceiling's.
        trained: images that it was trained on.
        tested: images that it was tested on.
        groups: that these form.
        accuracy: the mean over classes of the share that it names rightly, which chance brings to `chance`.
        ceiling: the same of a probe that was trained on other images of the query.
        chance: 1 / number of classes.
        share: accuracy / ceiling; None where the ceiling is no better than chance.
        share_low: lower end of its 95% interval, over groups; None likewise.
        share_high: its upper end.
        errors_auc: how well the query's outlier scores of this level and reading tell the images that it gets wrong, as
            area under the ROC curve; None where it gets too few wrong, or too few right.
        classes: the worst first.
        note: what was left out or sampled, as a sentence; empty if nothing was.
    """

    per_class: int
    trained: int
    tested: int
    groups: int
    accuracy: float
    ceiling: float
    chance: float
    share: float | None
    share_low: float | None
    share_high: float | None
    errors_auc: float | None
    classes: list[ProbedClass]
    note: str


class PairProbes(TypedDict):
    """What probes say of an ordered pair: trained on the reference, tested on the query.

    Attributes:
        level: the level whose ceiling is highest, which the sentence is of; None where there is no probe.
        sentence: what it says, such as "trained on synthetic, 89% of what training on real reaches; 96% with the look
            taken out; worst: horse"; where there is no probe, why.
        levels: by level and reading; a level whose probe could not be made is missing.
    """

    level: str | None
    sentence: str
    levels: dict[str, dict[str, ProbeMetrics]]
