"""Which levels a run compares: the network's, those of vectors that datasets bring, or both."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike, fspath
from typing import Any

from gapscope.errors import OptionError, RunError, SourceError
from gapscope.pyramid.models import find_model
from gapscope.settings import VectorsOption
from gapscope.sources import Source, open_source
from gapscope.sources.relocated import Relocations, relocated
from gapscope.sources.source import AS_VECTORS, change_path, without_prefix
from gapscope.sources.vectors.dataset import (
    IN_MEMORY,
    NumberedRows,
    VectorDataset,
    attach_vectors,
    has_images,
    vectors_of,
)
from gapscope.sources.vectors.vectors import UNNAMED, MemoryVectors, Vectors, add_level, check_levels
from gapscope.stages.given import open_given
from gapscope.store.given import IN_RUN, open_in_run
from gapscope.store.location import Location
from gapscope.store.run_record import LevelRecord, RunRecord
from gapscope.urls import absolute

_OF_PYRAMID = re.compile(r"P([1-9])")
_UNKNOWN_STRIDE = 0


@dataclass(frozen=True)
class ChosenLevels:
    """The levels that are compared.

    Attributes:
        network: names of the network's levels; None for all of them, empty where no network is needed.
        brought: the levels whose vectors the datasets bring.
        passed_over: names of levels that some datasets bring, and that are not compared.
    """

    network: tuple[str, ...] | None
    brought: tuple[LevelRecord, ...]
    passed_over: tuple[str, ...] = ()

    def all(self, network: Sequence[LevelRecord]) -> tuple[LevelRecord, ...]:
        """Return the network's levels and those that are brought, by stride; those of no known stride come last."""
        both = [*network, *self.brought]
        return tuple(sorted(both, key=lambda level: level.stride or float("inf")))

    def where(self, sources: Mapping[str, Source], relocations: Relocations) -> dict[str, dict[str, str]]:
        """Return where the vectors are as the run knows it, by dataset and level."""
        if not self.brought:
            return {}
        names = [level.name for level in self.brought]
        return {
            name: {level: relocations.to_run(vectors_of(source)[level].where) for level in names}
            for name, source in sources.items()
        }


def open_dataset(
    name: str,
    given: Any,
    run: Location,
    relocations: Relocations,
    *,
    objects: bool,
    mask: bool,
    min_side: int,
) -> Source:
    """Return the source of a dataset as a user gave it: a location, arrays of vectors by level, or images in Python.

    Args:
        name: of the dataset.
        given: by the user.
        run: where the run is kept, in which images may lie.
        relocations: where files are on this machine.
        objects: as of `open_source`.
        mask: likewise.
        min_side: likewise.

    Raises:
        SourceError: there is no such source, or the arrays are no vectors.
        OptionError: it is none of these.
    """
    if isinstance(given, str | PathLike):
        location = fspath(given)
        if location.startswith(IN_RUN):
            return relocated(open_in_run(run, name, location), relocations)
        location = relocations.to_here(location) if relocations else location
        source = open_source(name, location, objects=objects, mask=mask, min_side=min_side)
        if isinstance(source, VectorDataset):
            return VectorDataset(relocated(source.images, relocations), source.vectors)
        return relocated(source, relocations)
    arrays = _arrays_by_level(given)
    if arrays is not None:
        vectors = memory_vectors(name, arrays)
        return VectorDataset(NumberedRows(name, check_levels(vectors, f"dataset {name}"), IN_MEMORY), vectors)
    return open_given(name, given)


def _arrays_by_level(given: Any) -> Mapping[str, Any] | None:
    """Return arrays of vectors by level; a single array of floats in two dimensions has the level `vectors`.

    None where a program gave something else.
    """
    if isinstance(given, Mapping) and not type(given).__module__.startswith("datasets."):
        return given
    is_vectors = len(getattr(given, "shape", ())) == 2 and "float" in str(getattr(given, "dtype", ""))
    return {UNNAMED: given} if is_vectors else None


def attached_sources(vectors: VectorsOption) -> dict[str, list[str]]:
    """Return where the vectors are that an argument `vectors` gives, as run.json keeps it."""
    attached: dict[str, list[str]] = {}
    for name, given in _by_dataset(vectors):
        is_location = isinstance(given, str | PathLike)
        attached.setdefault(name, []).append(change_path(fspath(given), absolute) if is_location else IN_MEMORY)
    return attached


def with_vectors(sources: Mapping[str, Source], vectors: VectorsOption, relocations: Relocations) -> dict[str, Source]:
    """Return the datasets, with the vectors that an argument `vectors` gives them.

    Raises:
        OptionError: the argument names no dataset.
        SourceError: vectors cannot be opened, or are of a level that the dataset brings already.
    """
    attached = dict(sources)
    for name, given in _by_dataset(vectors):
        if name not in sources:
            raise OptionError(
                f"names dataset {name}, and there are {', '.join(sources)}", argument="vectors", value=name
            )
        attached[name] = attach_vectors(attached[name], _open(name, given, relocations))
    return attached


def _by_dataset(vectors: VectorsOption) -> list[tuple[str, Any]]:
    if isinstance(vectors, Mapping):
        return [
            (name, each)
            for name, given in vectors.items()
            for each in (given if isinstance(given, list | tuple) else [given])
        ]
    pairs = []
    for text in [vectors] if isinstance(vectors, str) else vectors:
        name, equals, source = text.partition("=")
        if not (name and equals and source):
            raise OptionError("write NAME=SOURCE, such as real=clip.npy::clip", argument="vectors", value=text)
        pairs.append((name, source))
    return pairs


def _open(name: str, given: Any, relocations: Relocations) -> dict[str, Vectors]:
    arrays = _arrays_by_level(given)
    if arrays is not None:
        return memory_vectors(name, arrays)
    if not isinstance(given, str | PathLike):
        raise OptionError(f"dataset {name}: give a source, or arrays by level", argument="vectors", value=type(given))
    return dict(vectors_of(open_source(name, _as_vectors(relocations.to_here(fspath(given))))))


def _as_vectors(location: str) -> str:
    return f"{AS_VECTORS}{without_prefix(location)}"


def memory_vectors(name: str, arrays: Mapping[str, Any]) -> dict[str, Vectors]:
    """Return arrays by level as a dataset's vectors.

    Raises:
        SourceError: one of them is no array of vectors.
    """
    vectors: dict[str, Vectors] = {}
    for key, array in arrays.items():
        add_level(vectors, str(key), MemoryVectors(f"{name}::{key}", array), f"dataset {name}")
    return vectors


def choose_levels(sources: Mapping[str, Source], levels: Sequence[str] | None, model: str) -> ChosenLevels:
    """Return the levels to compare.

    Args:
        sources: the datasets.
        levels: the names that the user gave; None for those that are brought, or all of the network's.
        model: the network's name.

    Raises:
        OptionError: there is no such level.
        SourceError: some datasets bring vectors and others do not, or of another length.
    """
    if levels is not None and not levels:
        raise OptionError("name at least one level", argument="levels", value=())
    brought = {name: list(vectors_of(source)) for name, source in sources.items()}
    known = list(dict.fromkeys(level for own in brought.values() for level in own))
    if levels is None:
        if not known:
            return ChosenLevels(None, ())
        wanted = [level for level in known if all(level in own for own in brought.values())]
        if not wanted:
            raise SourceError(f"the datasets bring no level in common: {_in_words(sources)}; {_WAY_OUT}")
    else:
        wanted = [level for level in dict.fromkeys(levels) if level in known]
        for level in wanted:
            if lacking := [name for name, own in brought.items() if level not in own]:
                raise SourceError(
                    f"dataset {lacking[0]} brings no vectors of level {level}: {_in_words(sources)}; {_WAY_OUT}"
                )
    network = () if levels is None else tuple(level for level in levels if level not in wanted)
    if known and network:
        _check_network_levels(network, known, model)
    records = tuple(
        LevelRecord(name=level, stride=_stride(level), channels=_length(sources, level)) for level in wanted
    )
    passed_over = tuple(level for level in known if level not in wanted)
    return ChosenLevels(network if wanted or levels is not None else None, records, passed_over)


_WAY_OUT = "give every dataset vectors of the same names, or name levels of the network with `levels`"


def _in_words(sources: Mapping[str, Source]) -> str:
    return ", ".join(
        f"{name} {' and '.join(vectors_of(source)) or f'none{_overlooked(source)}'}" for name, source in sources.items()
    )


def _overlooked(source: Source) -> str:
    """Return in words which vectors a source would bring that was taken for images; empty if none."""
    location = _as_vectors(source.location)
    try:
        levels = vectors_of(open_source("", location))
    except SourceError:
        return ""
    return f" ({location} brings {' and '.join(levels)})"


def _check_network_levels(names: Sequence[str], known: Sequence[str], model: str) -> None:
    own = [level.name for level in find_model(model).levels]
    for name in names:
        if name not in own:
            raise OptionError(
                f"the datasets bring {', '.join(known)}, and the model has {', '.join(own)}",
                argument="levels",
                value=name,
            )


def check_have_images(sources: Mapping[str, Source]) -> None:
    """Check that every dataset has images, which a network embeds.

    Raises:
        SourceError: one has vectors alone.
    """
    for name, source in sources.items():
        if not has_images(source):
            raise SourceError(
                f"dataset {name}: has vectors and no images, so that the network has nothing to embed; name the levels "
                f"of its vectors alone, {', '.join(vectors_of(source))}, with `levels`, or give its images as the "
                "dataset and its vectors with `vectors`"
            )


def check_same_lengths(record: RunRecord, chosen: ChosenLevels) -> None:
    """Check that the vectors of a run that was begun before have kept their lengths.

    Raises:
        RunError: they have not.
    """
    begun_with = {level.name: level.channels for level in record.model.levels}
    for level in chosen.brought:
        if begun_with.get(level.name, level.channels) != level.channels:
            raise RunError(
                f"level {level.name} has {level.channels:,} numbers per vector, and this run was begun with "
                f"{begun_with[level.name]:,}: use another `out`"
            )


def _length(sources: Mapping[str, Source], level: str) -> int:
    lengths = {name: vectors_of(source)[level].shape[1] for name, source in sources.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{length:,} in {name}" for name, length in lengths.items())
        raise SourceError(
            f"level {level}: vectors of one level have one length, and these have different numbers: {listed}"
        )
    return next(iter(lengths.values()))


def _stride(level: str) -> int:
    match = _OF_PYRAMID.fullmatch(level)
    return 2 ** int(match[1]) if match else _UNKNOWN_STRIDE
