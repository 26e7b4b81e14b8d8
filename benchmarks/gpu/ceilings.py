"""The machine's own limits: matrix products of random data, and copies within, to and from the device."""

from collections.abc import Iterator

import torch
from gpu.stage import Part, Result, Setting, rate_summary

_GIB = 2**30
_DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32}


def matrix_rate(setting: Setting, dtype: torch.dtype, *, tf32: bool = False) -> Result:
    """Return floating-point operations per second of square matrix products by side, and the `best` median."""
    by_side: Result = {}
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = tf32
    for side in setting.size((4096, 8192, 16384), (64,)):
        # Random values, since zeros draw less power and would be multiplied faster.
        left, right = (torch.randn(side, side, device=setting.device.name).to(dtype) for _ in range(2))
        by_side[str(side)] = rate_summary(
            2.0 * side**3,
            lambda left=left, right=right: left @ right,  # type: ignore[misc]
            setting.size(20, 2),
        )
    torch.backends.cuda.matmul.allow_tf32 = before
    return {**by_side, "best": max(rates["median"] for rates in by_side.values())}


def copy_rate(setting: Setting) -> Result:
    """Return bytes per second, read and written, of a copy within the device's memory."""
    source = torch.randn(setting.size(_GIB, 2**16), device=setting.device.name)
    target = torch.empty_like(source)
    return rate_summary(2 * source.nbytes, lambda: target.copy_(source), setting.size(20, 2))


def _matrices(setting: Setting) -> Iterator[Result]:
    for name, dtype in _DTYPES.items():
        yield {name: matrix_rate(setting, dtype)}
    yield {"float32, TF32": matrix_rate(setting, torch.float32, tf32=True)}


def _copies(setting: Setting) -> Iterator[Result]:
    host = torch.from_numpy(setting.device.allocate_batch((setting.size(_GIB, 2**16),)))
    on_device = host.to(setting.device.name)
    repeats = setting.size(20, 2)
    yield {"on the device": copy_rate(setting)}
    yield {"pinned": host.is_pinned() if torch.cuda.is_available() else False}
    yield {"to the device": rate_summary(host.nbytes, lambda: on_device.copy_(host, non_blocking=True), repeats)}
    yield {"from the device": rate_summary(host.nbytes, lambda: host.copy_(on_device, non_blocking=True), repeats)}


PARTS: dict[str, Part] = {"matrices": _matrices, "copies": _copies}
