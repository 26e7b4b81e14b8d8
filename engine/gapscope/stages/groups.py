"""The stage that settles which images of each dataset belong together, and count as one."""

import hashlib
import re
from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from gapscope.compare.headline import describe_groups, describe_shared
from gapscope.errors import OptionError
from gapscope.neighbors.bursts import ClipScale, clip_scale, find_clips
from gapscope.progress import Progress
from gapscope.settings import GroupRule, GroupValues, parse_group_rule
from gapscope.sources import Folder, Source
from gapscope.sources.archives.folders import folders_of
from gapscope.sources.archives.members import MEMBER_SEPARATOR
from gapscope.sources.relocated import original
from gapscope.sources.remote_folder import RemoteFolder
from gapscope.sources.vectors.dataset import images_of
from gapscope.store.datasets import all_pairs
from gapscope.store.groups import (
    needs_group_search,
    read_all_groups,
    read_listed_groups,
    remove_groups,
    write_groups,
)
from gapscope.store.index import PREFIX, read_index, read_uris, rows_read
from gapscope.store.run_record import GroupRecord
from gapscope.store.run_store import RunStore

_UNITS = {"folder": "folder", "tar": "sample", "bursts": "clip", "objects": "image"}
VALUES = "values"
"""The rule of a dataset with one value per image."""
_N_NAMED = 3


class GroupRules:
    """How the groups of each dataset are found, as a user gave it.

    Attributes:
        sources: the datasets.
        rules: per dataset, its rule; None for one value per image.
        values: per dataset that has them, one value per listed image; None for an image on its own.
        kept: per dataset whose values the run has, and which are not given again, the rule as run.json has it.
    """

    def __init__(self, group: GroupValues | Mapping[str, GroupValues], sources: Mapping[str, Source]) -> None:
        """Check what can be checked before anything is listed.

        Args:
            group: one rule for all datasets, or a rule or one value per image by dataset.
            sources: the datasets.

        Raises:
            OptionError: a rule cannot be read, names a column that its dataset lacks, or is for no dataset.
        """
        if not isinstance(group, str | Mapping):
            raise OptionError("values per image are for one dataset: give `group` as {NAME: values}")
        by_name = dict.fromkeys(sources, group) if isinstance(group, str) else dict(group)
        for name in by_name:
            if name not in sources:
                raise OptionError(f"`group` names dataset {name}, and there are {', '.join(sources)}")
        self.sources = sources
        self.rules: dict[str, GroupRule | None] = {}
        self.values: dict[str, Collection[object]] = {}
        self.kept: dict[str, str] = {}
        for name, source in sources.items():
            given = by_name.get(name, "auto")
            if isinstance(given, str) and given.startswith(f"{VALUES}:"):
                self.rules[name], self.kept[name] = None, given
            elif isinstance(given, str):
                self.rules[name] = _checked_rule(name, given, source)
            else:
                self.rules[name], self.values[name] = None, given

    def name_of(self, dataset: str) -> str:
        """Return a dataset's rule in words."""
        rule = self.rules[dataset]
        return VALUES if rule is None else str(rule)

    def describe(self) -> dict[str, str]:
        """Return, per dataset, the rule in words as run.json keeps it, with a digest of values."""
        digests = {name: f":{_digest(values)}" for name, values in self.values.items()}
        return {name: self.name_of(name) + digests.get(name, "") for name in self.rules} | self.kept


def _digest(values: Collection[object]) -> str:
    digest = hashlib.sha256()
    for value in values:
        digest.update(repr(_text(value)).encode(errors="backslashreplace"))
    return digest.hexdigest()[:16]


def _text(value: object) -> str | None:
    """Return a value as the name of a group; None where it is missing."""
    if value is None or value is pd.NA or value is pd.NaT or value != value:  # noqa: PLR0124 (a missing number)
        return None
    return _number_text(float(value)) if isinstance(value, float | np.floating) else str(value) or None


def _checked_rule(name: str, text: str, source: Source) -> GroupRule:
    rule = parse_group_rule(text)
    if rule.source == "column" and rule.argument not in source.columns:
        known = f"its columns are {', '.join(source.columns)}" if source.columns else "it has no columns"
        raise OptionError(
            f"dataset {name} has no column {rule.argument}: {known}; for one dataset alone, give `group` as NAME=..., "
            "and see the help for folder, pattern:REGEX and others",
            argument="group",
            value=text,
        )
    return rule


def write_listed_groups(run: RunStore, rules: GroupRules, progress: Progress) -> None:
    """Write the groups of every dataset whose rule reads them off the listing, before anything is embedded.

    Raises:
        OptionError: a pattern matches nothing, all images are in one group, or there is not one value per image.
    """
    for name, rule in rules.rules.items():
        values = _listed_values(run, name, rules, progress)
        if values is None:
            if rule == GroupRule("none"):
                remove_groups(run, name)
            continue
        if rule != GroupRule("auto"):
            _check_several(name, rules.name_of(name), values)
        write_groups(run, name, values)


def _listed_values(run: RunStore, name: str, rules: GroupRules, progress: Progress) -> pa.Array | None:
    """Return the group of every listed image, its uri where it has none; None where the listing does not tell."""
    rule = rules.rules[name]
    if rule is None:
        return _given_values(run, name, rules)
    source = "objects" if rule.source == "auto" and rules.sources[name].objects else rule.source
    if source in ("none", "auto"):
        return None
    uris = read_uris(run, name)
    if source == "objects":
        return pc.replace_substring_regex(uris, pattern=r"#[^#/]*$", replacement="")
    if source == "folder":
        return pc.coalesce(folders_of(uris), uris)
    if source == "tar":
        return _sample_keys(uris, name)
    if source == "column":
        column = PREFIX + rule.argument
        values = read_index(run, name, [column])[column]
        texts = pa.array([_text(value) for value in values.to_pylist()], pa.large_string())
        return _with_uris(texts, uris, name, f"column {rule.argument} is empty", progress)
    captured = [match[1] or None if (match := re.search(rule.argument, uri.as_py())) else None for uri in uris]
    if not any(captured):
        raise OptionError(
            f"matches no image of {name}, such as {uris[0]}", argument="group", value=f"pattern:{rule.argument}"
        )
    return _with_uris(pa.array(captured, pa.large_string()), uris, name, "the pattern does not match", progress)


def _sample_keys(uris: pa.Array, name: str) -> pa.Array:
    """Return what WebDataset calls a key: the archive, and the member's name up to the first dot of its last part."""
    if not pc.any(pc.match_substring(uris, MEMBER_SEPARATOR)).as_py():
        raise OptionError(f"dataset {name} has no image in a tar archive", argument="group", value="tar")
    pattern = f"({MEMBER_SEPARATOR}(?:.*/)?[^/.]*)\\.[^/]*$"
    return pc.replace_substring_regex(uris, pattern=pattern, replacement="\\1")


def _number_text(number: float) -> str:
    # Numbers of a table are all floats, and scene 7 should not be called 7.0.
    return f"{number:.17g}"


def _with_uris(texts: pa.Array, uris: pa.Array, name: str, why: str, progress: Progress) -> pa.Array:
    if texts.null_count:
        example = uris.filter(pc.is_null(texts))[0]
        progress.note(
            f"{name}: {texts.null_count:,} of {len(texts):,} images are in no group and count one by one, as {why}, "
            f"for example for {example}"
        )
    return pc.coalesce(texts, uris)


def _given_values(run: RunStore, name: str, rules: GroupRules) -> pa.Array:
    if name in rules.kept:
        values = read_listed_groups(run, name)
        if values is None or len(values) != run.record.datasets[name].listed:
            raise OptionError(
                f"dataset {name} has one value per image, given by a Python program, and other images than then: call "
                "`gapscope.compare` with values for all of them"
            )
        return values
    values, listed = rules.values[name], [entry.uri for entry in rules.sources[name].entries()]
    if len(values) != len(listed):
        raise OptionError(
            f"`group` has {len(values):,} values for dataset {name}, which lists {len(listed):,} images: give one per "
            "image, in the order of its listing, rejected ones included"
        )
    # After an update, rows are in another order than the listing, and some are of images that are gone.
    value_of = dict(zip(listed, map(_text, values), strict=True))
    uris = read_uris(run, name)
    return pc.coalesce(pa.array([value_of.get(uri.as_py()) for uri in uris], pa.large_string()), uris)


def _check_several(name: str, rule: str, values: pa.Array) -> None:
    # A single image is one group whatever the rule.
    if len(values) > 1 and len(pc.unique(values)) == 1:
        raise OptionError(
            f"all {len(values):,} images of {name} are one group, {values[0]}: one group is one sample, which nothing "
            "can be told from; choose another rule, or none to count images",
            argument="group",
            value=rule,
        )


def settle_groups(run: RunStore, rules: GroupRules, progress: Progress) -> None:
    """Look for bursts where no rule is given, record all groups, and tell of them.

    Args:
        run: the run, whose images are embedded; its record is changed and written.
        rules: of each dataset.
        progress: is told which groups were found.
    """
    names: dict[str, str] = {}
    scale: ClipScale | None = None
    for name, rule in rules.rules.items():
        names[name] = rules.name_of(name)
        if rule != GroupRule("auto"):
            continue
        source = rules.sources[name]
        if source.objects:
            names[name] = "objects"
            continue
        scale = scale or clip_scale(run)
        # A folder's files have no order but that of their names; a list's is the user's.
        by_name = isinstance(original(images_of(source)), Folder | RemoteFolder)
        is_clips = _write_clips(run, name, find_clips(run, name, scale, by_name=by_name))
        names[name] = "bursts" if is_clips else "none"
    record_groups(run, names, progress)


def record_groups(run: RunStore, rules: Mapping[str, str], progress: Progress) -> None:
    """Record the groups that are on disk, which pairs need a search of their own, and tell of them.

    Args:
        run: the run; its record is changed and written.
        rules: per dataset, what its groups come from, as `GroupRecord.rule` has it.
        progress: is told which groups there are.
    """
    record = run.record
    for dataset in record.datasets.values():
        # What an earlier command counted.
        dataset.groups = None
    groups = read_all_groups(run)
    for name, own in groups.items():
        unit = _UNITS.get(rules[name], "image" if rules[name] == "none" else "group")
        record.datasets[name].groups = GroupRecord(
            rule=rules[name],
            unit=unit,
            count=len(own),
            typical=int(np.median(own.lengths)) if len(own) else 0,
            longest=int(own.lengths.max(initial=0)),
        )
        if text := describe_groups(record, name):
            progress.note(text)
    record.grouped_pairs = [pair.name for pair in all_pairs(list(groups)) if needs_group_search(groups, pair)]
    record.shared_groups = {}
    for pair in record.pairs:
        shared = groups[pair.query].find_in(groups[pair.reference]) >= 0
        if shared.any():
            record.shared_groups[pair.name] = int(shared.sum())
            if pair.reversed.name not in record.shared_groups:
                examples = [
                    groups[pair.query].name(number, None) for number in np.flatnonzero(shared)[:_N_NAMED].tolist()
                ]
                progress.note(describe_shared(record, pair, examples))
    run.write_record()


def _write_clips(run: RunStore, name: str, clips: NDArray[np.int64] | None) -> bool:
    if clips is None or np.bincount(clips).max() == 1:
        remove_groups(run, name)
        return False
    uris, embedded = read_uris(run, name), rows_read(run, name)
    first_row = np.arange(len(uris))
    first_row[embedded] = embedded[np.unique(clips, return_index=True)[1][clips]]
    # A clip has the name of its first frame.
    write_groups(run, name, uris.take(pa.array(first_row)))
    return True
