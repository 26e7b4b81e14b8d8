"""What a history keeps of a version: its images, numbers and kinds, without its arrays."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from gapscope.compare.interval import Interval
from gapscope.run import Run
from gapscope.store.datasets import Pair


@dataclass(frozen=True, kw_only=True)
class VersionKind:
    """A kind of one version.

    Attributes:
        id: in its run, such as `K1`.
        query: the dataset that it is of.
        reference: the dataset that it is held against.
        name: what it is called; empty for no name.
        name_source: where the name is from, as `gapscope.store.gaps.Gap` has it.
        sort: of gap.
        groups: that it has.
        of_groups: how many the query has in all.
        row: of its first picture in the query; None for no picture.
    """

    id: str
    query: str
    reference: str
    name: str
    name_source: str
    sort: str
    groups: int
    of_groups: int
    row: int | None

    @property
    def pair(self) -> Pair:
        """The ordered pair that it is of."""
        return Pair(self.query, self.reference)

    @property
    def share(self) -> float:
        """Its share of the query's groups, 0 to 1."""
        return self.groups / self.of_groups if self.of_groups else 0.0


@dataclass(frozen=True, kw_only=True)
class VersionNumber:
    """A number of one version, with its 95% interval."""

    level: str
    query: str
    reference: str
    reading: str
    number: str
    value: float
    low: float
    high: float

    @property
    def interval(self) -> Interval:
        """The number and the ends of its interval."""
        return self.value, self.low, self.high


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What was measured of a version, beside the first one.

    Attributes:
        created: when its run was begun, ISO 8601.
        images: read per dataset.
        pairs: that it shares with the first version.
        numbers: of these pairs.
        kinds: of these pairs, the worst first.
        notes: what of it is left out or was made otherwise, against the first version.
        shared: by the key of an earlier version, how many images their kinds share: both ids, and the number.
    """

    created: str
    images: dict[str, int]
    pairs: list[Pair]
    numbers: list[VersionNumber]
    kinds: list[VersionKind]
    notes: list[str]
    shared: dict[str, list[tuple[str, str, int]]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Version:
    """A version of a history.

    Attributes:
        name: of its run's folder, or with folders above it where several have the same one.
        run: the run.
        measured: what was measured of it.
    """

    name: str
    run: Run
    measured: Measured


def time_of(created: str) -> datetime:
    """Return when a run was begun, by which versions are ordered; the beginning of time where that cannot be read."""
    try:
        time = datetime.fromisoformat(created)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return time if time.tzinfo else time.replace(tzinfo=UTC)
