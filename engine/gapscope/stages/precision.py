"""The arithmetic of the network, chosen once when a run begins, so that all its numbers fit together."""

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
    """Return the settings with nothing left at `auto`, and keep in the record what was chosen.

    A run continues with what it was begun with, on whatever machine.

    Args:
        record: the run's; its datasets are listed. It is not written to disk here.
        settings: as the user gave them.
        pyramid: the network that they describe.
        device: where it will run.

    Raises:
        OptionError: compiling is asked for and does not work here.
    """
    model = record.model
    if model.precision is None or model.speedups is None:
        chosen = resolve_precision(settings, record.listed, device)
        model.precision, model.speedups = chosen.precision, chosen.speedups
        model.pooling = pyramid.describe_pooling(chosen)
    return replace(settings, precision=model.precision, speedups=model.speedups)


def resolve_precision(settings: EmbedSettings, images: int, device: Device) -> EmbedSettings:
    """Return the settings with the precision and the speedups that pay for so many images on a device, not `auto`.

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
    """Return why torch cannot compile on a device, nothing if it can: it needs a C++ compiler and Python's headers."""
    try:
        torch.compile(torch.neg, dynamic=False)(torch.ones(64, device=device.name))
    # A missing compiler, missing headers, a cache that cannot be written: each raises its own exception.
    except Exception as error:
        return one_line(error)
    return ""
