"""The number of cores that a process uses."""

import os

import torch


def share_cores(processes: int) -> int:
    """Let torch use this process's share of the machine's cores, and return how many these are.

    Args:
        processes: number of worker processes on this machine; 0 if the work is done in the user's own process, whose
            number of threads is left unchanged.
    """
    cores = max(1, len(os.sched_getaffinity(0)) // max(1, processes))
    if processes:
        # Dask sets the number of threads of its worker processes to 1, however many cores there are.
        torch.set_num_threads(cores)
    return cores
