"""How many cores a process may use."""

import os

import torch


def share_cores(processes: int) -> None:
    """Let torch use this process's part of the machine's cores.

    Args:
        processes: worker processes that share them; 0 where it is the caller's own process, whose number of threads is
            left as it is.
    """
    if processes:
        # Dask gives its processes one thread each, however many cores there are.
        torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) // processes))
