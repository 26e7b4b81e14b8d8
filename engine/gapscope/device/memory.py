"""The memory that a process holds."""

import ctypes
import sys
from contextlib import suppress

import pyarrow as pa


def return_free_memory() -> None:
    """Give memory that nothing uses any more back to the system, where the allocators can do so (Arrow's, glibc's).

    Allocators keep freed memory for the next request, a share of it for each thread. What the threads that read arrays
    freed is of little use to other threads, so that the needs of steps one after the other would add up.
    """
    pa.default_memory_pool().release_unused()
    if sys.platform == "linux":
        # Only glibc has this function.
        with suppress(AttributeError):
            ctypes.CDLL(None).malloc_trim(0)
