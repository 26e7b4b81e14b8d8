"""Temporarily takes from root the capabilities to read and write files against their permissions."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

_VERSION_3 = 0x20080522
_CAPABILITIES = 0b110
"""Bit mask of CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH."""


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Data(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


@contextmanager
def unprivileged() -> Iterator[None]:
    """Make file permissions apply to this thread, and to the threads that it starts in the meantime, even for root."""
    libc, header, data = ctypes.CDLL(None), _Header(_VERSION_3, 0), (_Data * 2)()
    libc.capget(ctypes.byref(header), data)
    before = data[0].effective
    data[0].effective = before & ~_CAPABILITIES
    libc.capset(ctypes.byref(header), data)
    try:
        yield
    finally:
        data[0].effective = before
        libc.capset(ctypes.byref(header), data)
