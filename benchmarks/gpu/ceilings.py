"""What the machine itself reaches: matrix products on random data, copies on the device, to it and from it."""

from collections.abc import Iterator

import torch
from gpu.stage import Found, Part, Setting, rates_of

_GIB = 2**30
_KINDS = {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32}


def matrix_rate(setting: Setting, dtype: torch.dtype, *, tf32: bool = False) -> Found:
    """Return floating-point operations per second of products of square matrices, by their side; `best` of these."""
    found: Found = {}
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = tf32
    for side in setting.size((4096, 8192, 16384), (64,)):
        # Zeros would be multiplied faster: they cost no power.
        one, other = (torch.randn(side, side, device=setting.device.name).to(dtype) for _ in range(2))
        found[str(side)] = rates_of(2.0 * side**3, lambda one=one, other=other: one @ other, setting.size(20, 2))  # type: ignore[misc]
    torch.backends.cuda.matmul.allow_tf32 = before
    return {**found, "best": max(each["median"] for each in found.values())}


def copy_rate(setting: Setting) -> Found:
    """Return bytes per second that a copy within the device's memory reads and writes."""
    source = torch.randn(setting.size(_GIB, 2**16), device=setting.device.name)
    target = torch.empty_like(source)
    return rates_of(2 * source.nbytes, lambda: target.copy_(source), setting.size(20, 2))


def _matrices(setting: Setting) -> Iterator[Found]:
    for name, dtype in _KINDS.items():
        yield {name: matrix_rate(setting, dtype)}
    yield {"float32, TF32": matrix_rate(setting, torch.float32, tf32=True)}


def _copies(setting: Setting) -> Iterator[Found]:
    here = torch.from_numpy(setting.device.allocate_batch((setting.size(_GIB, 2**16),)))
    there = here.to(setting.device.name)
    repeats = setting.size(20, 2)
    yield {"on the device": copy_rate(setting)}
    yield {"pinned": here.is_pinned() if torch.cuda.is_available() else False}
    yield {"to the device": rates_of(here.nbytes, lambda: there.copy_(here, non_blocking=True), repeats)}
    yield {"from the device": rates_of(here.nbytes, lambda: here.copy_(there, non_blocking=True), repeats)}


PARTS: dict[str, Part] = {"matrices": _matrices, "copies": _copies}
