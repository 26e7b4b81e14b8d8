"""The memory that a process holds."""

import ctypes
import sys
from contextlib import suppress

import pyarrow as pa


def return_free_memory() -> None:
    """Give memory that nothing uses any more back to the system, where the allocators can do so (Arrow's, glibc's).

    They keep what was freed for the next request. Freed by the threads that read arrays, it is of little use to others,
    and steps that each take some of it for a moment would add up.
    """
    pa.default_memory_pool().release_unused()
    if sys.platform == "linux":
        # Only glibc has this function.
        with suppress(AttributeError):
            ctypes.CDLL(None).malloc_trim(0)
