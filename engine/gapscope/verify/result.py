"""The result of checking a run: what was checked, what is wrong, and what has to be made again."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from gapscope.errors import one_line
from gapscope.store.location import Location

Part = Literal[
    "record",
    "kept",
    "listing",
    "group",
    "embeddings",
    "block",
    "scaler",
    "groups",
    "neighbors",
    "layout",
    "previous",
    "comparison",
    "report",
]
"""A part of a run that is made again in one piece."""

_REMEDIES: dict[Part, str] = {
    "record": "give the compare command another `out`, or remove the folder",
    "kept": "the Python program has to give dataset {} again",
    "listing": "dataset {} has to be listed and embedded again",
    "group": "it has to be written again",
    "embeddings": "dataset {} has to be embedded again",
    "block": "block {1} of dataset {0} has to be embedded again",
    "scaler": "the scaler of {} has to be measured again, and its neighbors found again",
    "groups": "the groups of {} have to be found again, and the neighbors among them",
    "neighbors": "the neighbors of {0}, {1} in {2}, have to be found again",
    "layout": "the map of {} has to be drawn again",
    "previous": "the next map of {} will be drawn without the earlier one",
    "comparison": "the manifests and numbers have to be written again",
    "report": "the report has to be written again",
}


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Something that is wrong.

    Attributes:
        path: the file or folder, relative to the run's.
        problem: what is wrong with it.
        part: what has to be made again.
        where: which part of its kind: dataset and block, or level and datasets.
    """

    path: str
    problem: str
    part: Part
    where: tuple[str, ...] = ()

    @property
    def remedy(self) -> str:
        """What has to be done, in words."""
        return _REMEDIES[self.part].format(*self.where)

    def __str__(self) -> str:
        return f"{self.path} {self.problem}: {self.remedy}"


@dataclass(kw_only=True)
class Check:
    """One kind of thing that was checked.

    Attributes:
        what: the name of the check.
        count: how many there were.
        unit: what was counted, in the singular.
        waiting: what is not made yet, in words; empty where all is.
        faults: what is wrong.
    """

    what: str
    unit: str
    count: int = 0
    waiting: str = ""
    faults: list[Fault] = field(default_factory=list)

    @contextmanager
    def reading(self, path: str, part: Part, *where: str) -> Iterator[None]:
        """Turn whatever goes wrong while `path` is read into a fault."""
        try:
            yield
        except FileNotFoundError:
            self.faults.append(Fault(path=path, problem="is missing", part=part, where=where))
        # Damaged bytes make Zarr, Arrow and the codecs below them raise nearly anything.
        except Exception as error:  # noqa: BLE001
            problem = f"cannot be read ({one_line(error)})"
            self.faults.append(Fault(path=path, problem=problem, part=part, where=where))

    def expect(self, holds: bool, path: str, problem: str, part: Part, *where: str) -> bool:
        """Add a fault unless `holds`; return `holds`."""
        if not holds:
            self.faults.append(Fault(path=path, problem=problem, part=part, where=where))
        return bool(holds)


@dataclass(frozen=True, kw_only=True)
class Verified:
    """The result of checking a whole run.

    Attributes:
        path: the run's folder.
        checks: all that was checked.
        repaired: whether what was wrong was removed from the run, so that the same compare command makes it again.
    """

    path: Location
    checks: tuple[Check, ...]
    repaired: bool = False

    @property
    def faults(self) -> list[Fault]:
        """Everything that is wrong."""
        return [fault for check in self.checks for fault in check.faults]

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong; some of the run may not be made yet."""
        return not self.faults

    @property
    def finished(self) -> bool:
        """Whether everything is made."""
        return not any(check.waiting for check in self.checks)
