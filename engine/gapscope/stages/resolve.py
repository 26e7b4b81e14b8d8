"""From the network that a user asks for to settings with nothing left open."""

from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path

from gapscope.errors import OptionError
from gapscope.pyramid.models import MODELS, find_model
from gapscope.pyramid.timm_backbone import PREFIX as TIMM
from gapscope.pyramid.weights import sha256_of
from gapscope.settings import EmbedSettings, Fit, Pool, Precision, Preprocess
from gapscope.sources.relocated import Relocations
from gapscope.store.run_record import RunRecord
from gapscope.store.run_store import RunStore

NO_NETWORK = "none"
"""The name of the model where all vectors are brought."""

_PICTURE_SIZE = 224


def without_network(
    *,
    size: int | None,
    fit: Fit,
    max_pixels: int = Preprocess.max_pixels,
    keep_damaged: bool = Preprocess.keep_damaged,
) -> EmbedSettings:
    """Return settings that embed nothing; they say how images beside vectors are decoded for their pictures.

    The arguments are those of `gapscope.compare`.

    Raises:
        OptionError: there is no such size.
    """
    preprocess = Preprocess(size=size or _PICTURE_SIZE, fit=fit, max_pixels=max_pixels, keep_damaged=keep_damaged)
    return EmbedSettings(
        model=NO_NETWORK,
        weights="",
        weights_sha256="",
        levels=(),
        preprocess=preprocess,
        precision="float32",
        speedups=(),
    )


def resolve_embed_settings(
    *,
    model: str,
    weights: str | PathLike[str] | None,
    levels: Sequence[str] | None,
    size: int | None,
    fit: Fit,
    precision: Precision,
    max_pixels: int = Preprocess.max_pixels,
    keep_damaged: bool = Preprocess.keep_damaged,
    pool: Pool = EmbedSettings.pool,
    speedups: Sequence[str] = EmbedSettings.speedups,
) -> EmbedSettings:
    """Return settings in which the model's own weights, levels and size stand in for None.

    Weights are downloaded if need be. The arguments are those of `gapscope.compare`.

    Raises:
        OptionError: there is no such model, level or size.
        WeightsError: the weights cannot be had or read.
    """
    network = find_model(model)
    # Checked before weights are downloaded.
    network.check_size(network.size if size is None else size)
    chosen = network.choose_levels(None if levels is None else tuple(levels))
    if pool == "cls" and not network.has_class_token:
        raise OptionError("this model has no class token; use mean", argument="pool", value=pool)
    preprocess = Preprocess(
        size=network.size if size is None else size, fit=fit, max_pixels=max_pixels, keep_damaged=keep_damaged
    )
    if network.fingerprint:
        if weights is not None:
            raise OptionError("a model of your program has its own weights", argument="weights", value=weights)
        file, digest = "", network.fingerprint
        # It was made for what it gets, and may do anything: nothing of it is folded, compiled or rounded.
        speedups = () if tuple(speedups) == EmbedSettings.speedups else speedups
        precision = "float32" if precision == "auto" else precision
    else:
        path = network.weights() if weights is None else Path(weights).expanduser().absolute()
        file, digest = str(path), sha256_of(path)
    return EmbedSettings(
        model=model,
        weights=file,
        weights_sha256=digest,
        levels=chosen,
        preprocess=preprocess,
        pool=pool,
        precision=precision,
        speedups=tuple(speedups),
    )


def find_weights(record: RunRecord, relocations: Relocations) -> Path | None:
    """Return the weights file of a run's network on this machine: where the run says, or the model's own.

    Returns:
        None where the file is not at hand, or is another one now.
    """
    model = record.model
    own = None if model.name not in MODELS and not model.name.startswith(TIMM) else find_model(model.name)
    for path in (Path(relocations.to_here(model.weights)), own.cached_weights() if own is not None else None):
        if path is not None and path.is_file() and sha256_of(path) == model.weights_sha256:
            return path
    return None


def embed_settings_of(run: RunStore) -> EmbedSettings:
    """Return how a run's images became embeddings, with the weights file where it is on this machine."""
    settings = run.record.embed_settings()
    if not settings.weights:
        return settings
    path = find_weights(run.record, run.relocations)
    return settings if path is None else replace(settings, weights=str(path))
