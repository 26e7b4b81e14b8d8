"""How a network is computed: chosen once, when a run begins, so that all its numbers fit together."""

from dataclasses import replace

import torch

from gapscope.device import Device
from gapscope.errors import OptionError, one_line
from gapscope.pyramid.network import Pyramid
from gapscope.settings import SPEEDUPS, EmbedSettings
from gapscope.store.run_record import RunRecord

COMPILE_FROM_IMAGES = 5000
"""Compiling takes up to a minute per worker; from about this many images on it has paid, whatever the network."""


def resolve_run_precision(
    record: RunRecord, settings: EmbedSettings, pyramid: Pyramid, device: Device
) -> EmbedSettings:
    """Return the settings with nothing left to `auto`, and keep in the record what was chosen.

    What a run was begun with stays, on whatever machine it goes on.

    Args:
        record: the run's; its datasets are listed. Not written to disk here.
        settings: as the user gave them.
        pyramid: the network that they describe.
        device: what it will run on.

    Raises:
        OptionError: compiling is asked for and does not work here.
    """
    kept = record.model
    if "precision" not in kept:
        chosen = resolve_precision(settings, sum(facts["listed"] for facts in record.datasets.values()), device)
        kept["precision"], kept["speedups"] = chosen.precision, list(chosen.speedups)
        kept["pooling"] = pyramid.describe_pooling(chosen)
    return replace(settings, precision=kept["precision"], speedups=tuple(kept["speedups"]))


def resolve_precision(settings: EmbedSettings, images: int, device: Device) -> EmbedSettings:
    """Return the settings with what pays for so many images on a device in place of `auto`.

    Raises:
        OptionError: compiling is asked for and does not work here.
    """
    precision = settings.precision
    if precision == "auto":
        precision = "bfloat16" if device.has_bfloat16() else "float32"
    speedups = settings.speedups
    if speedups == ("auto",):
        speedups = SPEEDUPS if images >= COMPILE_FROM_IMAGES and not compile_failure_reason(device) else SPEEDUPS[:-1]
    elif "compile" in speedups and (reason := compile_failure_reason(device)):
        raise OptionError(f"torch cannot compile here ({reason})", argument="speedups", value="compile")
    return replace(settings, precision=precision, speedups=speedups)


def compile_failure_reason(device: Device) -> str:
    """Return why torch cannot compile on a device, nothing where it can: it needs a compiler and Python's headers."""
    try:
        torch.compile(torch.neg, dynamic=False)(torch.ones(64, device=device.name))
    # A compiler that is not there, headers that are not there, a cache that cannot be written: all in its own words.
    except Exception as error:
        return one_line(error)
    return ""
