"""What metrics.json holds of classes: how far a probe that learned them from one dataset gets on the other."""

from typing import TypedDict


class ProbedClass(TypedDict):
    """How a probe does on one class of the tested dataset.

    Attributes:
        name: of the class.
        trained: images of it that the probe was trained on, the same for the ceiling's.
        images: of it that were tested.
        accuracy: the share of them that the probe names rightly; of a group, its images' mean counts.
        ceiling: the same of a probe that was trained on other images of the tested dataset.
        share: accuracy / ceiling; None where the ceiling is 0.
        beyond_noise: whether the accuracy is below the ceiling by more than chance, corrected for all classes.
    """

    name: str
    trained: int
    images: int
    accuracy: float
    ceiling: float
    share: float | None
    beyond_noise: bool


class ProbeMetrics(TypedDict):
    """A linear probe of one level and reading: trained on the pair's reference, tested on its query.

    Attributes:
        per_class: images of a class that it was trained on at most, the same for the ceiling's; see `classes`.
        trained: images that it was trained on.
        tested: images that it was tested on.
        groups: that these form.
        accuracy: the mean over classes of the share that it names rightly, which chance brings to `chance`.
        ceiling: the same of a probe that was trained on other images of the query.
        chance: 1 / number of classes.
        share: accuracy / ceiling; None where the ceiling lies less than a quarter of the way from chance to no error.
        share_low: lower end of its 95% interval, over groups and training sets; None likewise.
        share_high: its upper end.
        errors_auc: how well the query's outlier scores of this level and reading tell the images that it gets wrong, as
            area under the ROC curve; those of classes that the reference lacks are wrong. None where fewer than eight
            are wrong, or right.
        classes: the one whose accuracy is furthest below its ceiling first.
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
        sentence: what it says, such as "trained on synthetic, 89% of what training on real reaches [86%, 91%]; 96% with
            the look taken out; worst: horse"; where there is no probe, why.
        levels: by level and reading; a level whose probe could not be made is missing.
    """

    level: str | None
    sentence: str
    levels: dict[str, dict[str, ProbeMetrics]]
