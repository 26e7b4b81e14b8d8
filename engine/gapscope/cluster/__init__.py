"""Where blocks are worked on: a Dask cluster, be it this very process or a hundred machines."""

from gapscope.cluster.interrupt import finishing_on_interrupt
from gapscope.cluster.jobs import run_jobs
from gapscope.cluster.joining import prepared
from gapscope.cluster.where import (
    CLUSTERS,
    Connect,
    check_cluster,
    cluster_at_need,
    open_cluster,
    workers_per_machine,
)

__all__ = [
    "CLUSTERS",
    "Connect",
    "check_cluster",
    "cluster_at_need",
    "finishing_on_interrupt",
    "open_cluster",
    "prepared",
    "run_jobs",
    "workers_per_machine",
]
