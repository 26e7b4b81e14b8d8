"""What can be known of rules before a job begins: a name that is not there must not be found out at its end."""

from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from typing import Any

from gapscope.errors import RunError
from gapscope.gate.check import check_names
from gapscope.gate.rule_file import RuleSet
from gapscope.pyramid.models import find_model
from gapscope.run import Run, open_run
from gapscope.settings import (
    CompareSettings,
    EmbedSettings,
    ModelSettings,
    NeighborSettings,
    Preprocess,
    VectorsOption,
)
from gapscope.sources.relocated import parse_relocations
from gapscope.stages.levels import choose_levels, open_dataset, with_vectors
from gapscope.stages.resolve import NO_NETWORK
from gapscope.store.datasets import Pair, ordered_pairs
from gapscope.store.location import resolve_location


def check_before(rules: RuleSet, datasets: Mapping[str, str | PathLike[str]], options: Mapping[str, Any]) -> None:
    """Check that rules name datasets, levels and readings that a comparison will have, and earlier runs that are alike.

    Classes are known only when the datasets are listed, so that a gate checks them at the end.

    Args:
        rules: the rules.
        datasets: name to source, as `gapscope.compare` takes them.
        options: the arguments of `gapscope.compare`.

    Raises:
        OptionError: a rule names something that will not be there.
        RunError: an earlier run cannot be opened, or was made with other settings.
        SourceError: a dataset cannot be opened to see which levels it brings.
    """
    if len(datasets) < 2:
        # The comparison says what is wrong.
        return
    names = tuple(datasets)
    reference = options.get("reference")
    pairs = ordered_pairs(names, reference if reference in names else None)
    settings = CompareSettings(readings=options.get("readings", CompareSettings.readings))
    readings = settings.readings_compared
    named = {rule.scope.level for rule in rules.rules} - {None}
    levels = _levels(datasets, options) if named else None
    check_names(rules, datasets=names, pairs=pairs, levels=levels, readings=readings)
    for path in {rule.earlier or rules.earlier for rule in rules.rules if rule.needs_earlier}:
        if path is not None:
            _check_earlier(open_run(path), pairs, options)


def _levels(datasets: Mapping[str, str | PathLike[str]], options: Mapping[str, Any]) -> Sequence[str]:
    """Return the names of the levels that will be compared."""
    if options.get("levels") is not None:
        return tuple(options["levels"])
    model = options.get("model", ModelSettings.model)
    vectors: VectorsOption = options.get("vectors", ModelSettings.vectors)
    relocations = parse_relocations(options.get("relocate", ()))
    sources = {
        name: open_dataset(
            name,
            fspath(source),
            resolve_location(options["out"]),
            relocations,
            objects=options.get("objects", ModelSettings.objects),
            mask=options.get("mask", ModelSettings.mask),
            min_side=options.get("min_side", ModelSettings.min_side),
        )
        for name, source in datasets.items()
    }
    chosen = choose_levels(with_vectors(sources, vectors, relocations), None, model)
    if chosen.brought:
        return tuple(level.name for level in chosen.brought)
    return tuple(level.name for level in find_model(model).levels)


def _check_earlier(earlier: Run, pairs: Sequence[Pair], options: Mapping[str, Any]) -> None:
    """Check what is known of an earlier run; `gapscope.diff.check_comparable` checks the rest at the end."""
    if not {*pairs} & {*earlier.pairs}:
        raise RunError(
            f"{earlier.path} compares {', '.join(earlier.datasets)}: a dataset must have the same name in both runs"
        )
    embed, model = earlier.record.config.embed, options.get("model", ModelSettings.model)
    # Vectors alone need no network, and whether these datasets bring them is known when they are listed.
    if embed.model == NO_NETWORK:
        return
    if embed.model != model:
        raise RunError(f"{earlier.path} embeds with model {embed.model}, this comparison with {model}: take the same")
    size = options.get("size") or find_model(model).size
    own = {
        "size": (embed.size, size),
        "fit": (embed.fit, options.get("fit", Preprocess.fit)),
        "pool": (embed.pool, options.get("pool", EmbedSettings.pool)),
        "metric": (earlier.record.config.neighbors.metric, options.get("metric", NeighborSettings.metric)),
    }
    for name, (there, here) in own.items():
        if there != here:
            raise RunError(f"{earlier.path} has {name} {there}, and this comparison {here}: compare like with like")
