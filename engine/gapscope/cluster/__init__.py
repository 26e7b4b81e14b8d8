"""The Dask cluster that works on a run's blocks: this process, processes of this machine, or other machines."""

from gapscope.cluster.address import CLUSTERS, check_cluster
from gapscope.cluster.interrupt import finishing_on_interrupt
from gapscope.cluster.jobs import run_jobs
from gapscope.cluster.launch import Connect, lazy_cluster, open_cluster, workers_per_host
from gapscope.cluster.wait import wait_for_workers
from gapscope.cluster.worker_setup import setup_workers

__all__ = [
    "CLUSTERS",
    "Connect",
    "check_cluster",
    "finishing_on_interrupt",
    "lazy_cluster",
    "open_cluster",
    "run_jobs",
    "setup_workers",
    "wait_for_workers",
    "workers_per_host",
]
