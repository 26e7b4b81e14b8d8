"""The stage that finds every image's nearest images, per level and ordered pair of datasets, itself included."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import uuid4

import numpy as np
from distributed.system import MEMORY_LIMIT
from numpy.typing import NDArray

from gapscope.cluster import Connect, run_jobs, workers_per_host
from gapscope.compare.sample import sample
from gapscope.compare.style_scaler import MAX_SAMPLE, trimmed_style_scalers
from gapscope.device import Device
from gapscope.device.cores import share_cores
from gapscope.neighbors.cache import NEIGHBOR_CACHE, CachedNeighbors
from gapscope.neighbors.embedding_view import EmbeddingView, open_view, read_rows_float32
from gapscope.neighbors.partition import PARTITION_FROM
from gapscope.neighbors.result import Method
from gapscope.neighbors.scaler import fit_scaler
from gapscope.progress import Progress
from gapscope.settings import Reading
from gapscope.stages.partitioned_search import DatasetRows, Digests, search_in_parts
from gapscope.store.datasets import Graph, Pair, all_pairs
from gapscope.store.groups import ImageGroups, group_identities, read_all_groups, read_groups
from gapscope.store.index import rows_read
from gapscope.store.metrics import NeighborSearchInfo
from gapscope.store.neighbors import (
    create_neighbors,
    finish_neighbors,
    has_neighbors,
    write_neighbor_rows,
)
from gapscope.store.pyramid import open_embeddings
from gapscope.store.run_record import ScalerRecord, StyleScalerRecord
from gapscope.store.run_store import RunStore

_TILE_ROWS = 8192
_CHUNK_ROWS = 2**20
"""Query images whose neighbors are in memory at a time."""
_CACHE_SHARE = 1 / 8
"""Share of the machine's memory for neighbors that its workers keep for the map."""


def fit_scalers(run: RunStore) -> None:
    """Fit the scaler of every level that has none yet, and keep it in run.json.

    Every group weighs alike, as every image does where each is a group of its own. Otherwise long clips of one dataset
    would make that one the measure, and the p-values of the other too small.
    """
    if all(level in run.record.scaler for level in run.levels):
        return
    groups = read_all_groups(run)
    for level in run.levels:
        if level not in run.record.scaler:
            mean, std = _fit_scaler(run, level, groups)
            run.record.scaler[level] = ScalerRecord(mean=mean.tolist(), std=std.tolist())
    run.write_record()


def _fit_scaler(
    run: RunStore, level: str, groups: Mapping[str, ImageGroups]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return mean and standard deviation of a level over some datasets, in which every group weighs alike."""
    weights = {name: None if own.counts_images else 1 / own.lengths[own.group] for name, own in groups.items()}
    any_groups = any(own is not None for own in weights.values())
    tiles = [
        (name, slice(start, start + _TILE_ROWS))
        for name, own in groups.items()
        for start in range(0, len(own.rows), _TILE_ROWS)
    ]
    arrays = {name: open_embeddings(run, name, level) for name in groups}
    return fit_scaler(
        (read_rows_float32(arrays[name], groups[name].rows[tile]) for name, tile in tiles),
        [None if (own := weights[name]) is None else own[tile] for name, tile in tiles] if any_groups else None,
    )


@dataclass(frozen=True, kw_only=True)
class _Job:
    run: RunStore
    level: str
    pair: Pair
    k: int
    device: Device
    processes_per_host: int = 1
    search: str = ""
    graph_k: int = 0
    graph: Graph = "images"
    digest: str = ""


def find_neighbors(
    run: RunStore, device: Device, k: int, connect: Connect, progress: Progress, *, graph_k: int = 0
) -> str:
    """Write the k nearest images of every image, for each level and ordered pair that is not on disk yet.

    Args:
        run: the run.
        device: where to search.
        k: number of neighbors per image and pair.
        connect: returns the cluster's client.
        progress: shows the work.
        graph_k: number of neighbors that stay in the memory of the worker that found them, as far as there is room, for
            `gapscope.stages.layout.compute_layouts`.

    Returns:
        The id of this search, by which `compute_layouts` asks workers for what they kept.

    Raises:
        ClusterError: the cluster cannot be started or reached, or fails; finished pairs are kept.
    """
    search = uuid4().hex
    wanted = dict.fromkeys(all_pairs(list(run.record.datasets)), "")
    missing = dict.fromkeys(run.levels, wanted)
    _search("neighbors", run, "images", missing, k, device, connect, progress, search, min(k, graph_k))
    return search


def find_group_neighbors(run: RunStore, device: Device, k: int, connect: Connect, progress: Progress) -> None:
    """Write the k nearest groups of every image, for each level and pair where these are not the nearest images.

    The representatives of the reference's groups are searched, of which there are as few as there are groups.

    Args:
        run: the run; its record says which pairs.
        device: where to search.
        k: number of groups per image and pair; an image's own group is none of them.
        connect: returns the cluster's client.
        progress: shows the work.

    Raises:
        ClusterError: the cluster cannot be started or reached, or fails; finished pairs are kept.
    """
    pairs = [pair for pair in all_pairs(list(run.record.datasets)) if run.record.graph(pair) == "groups"]
    if not pairs:
        return
    groups = read_all_groups(run)
    digests = {pair: _digest(groups[pair.query], groups[pair.reference], pair) for pair in pairs}
    wanted = dict.fromkeys(run.levels, digests)
    _search("neighbors by group", run, "groups", wanted, k, device, connect, progress)


def find_style_aside_neighbors(run: RunStore, device: Device, k: int, connect: Connect, progress: Progress) -> None:
    """Write the k nearest groups of every image by its dataset's own scaler, for each level and pair that needs them.

    Those are the pairs that are compared, and each dataset with itself. There are none where the run does not list
    images style aside. Scalers that are missing are fitted first, and kept in run.json.

    Args:
        run: the run.
        device: where to search.
        k: number of groups per image and pair; an image's own group is none of them.
        connect: returns the cluster's client.
        progress: shows the work.

    Raises:
        ClusterError: the cluster cannot be started or reached, or fails; finished pairs are kept.
    """
    pairs = run.record.style_aside_pairs
    if not pairs:
        return
    _fit_style_scalers(run)
    groups = read_all_groups(run)
    digests = {pair: _digest(groups[pair.query], groups[pair.reference], pair) for pair in pairs}
    wanted = {level: {pair: digests[pair] + _scaler_digest(run, level, pair) for pair in pairs} for level in run.levels}
    _search("neighbors style aside", run, "style-aside", wanted, k, device, connect, progress)


def _fit_style_scalers(run: RunStore) -> None:
    """Fit a scaler to each dataset alone, for every level that has none yet, and keep them in run.json.

    Where that leaves less of a difference of look, the scalers are trimmed; see `gapscope.compare.style_scaler`.
    """
    if all(level in run.record.style_scaler for level in run.levels):
        return
    groups = read_all_groups(run)
    random = np.random.default_rng(0)
    # Each dataset is compared with all others together.
    size = min(MAX_SAMPLE, 4 * MAX_SAMPLE // len(groups))
    chosen = {name: sample(own.representative_rows, size, random) for name, own in groups.items()}
    for level in run.levels:
        samples = [read_rows_float32(open_embeddings(run, name, level), rows) for name, rows in chosen.items()]
        trimmed = trimmed_style_scalers(samples, run.record.config.neighbors.metric)
        scalers = trimmed or [_fit_scaler(run, level, {name: own}) for name, own in groups.items()]
        run.record.style_scaler[level] = {
            name: StyleScalerRecord(mean=mean.tolist(), std=std.tolist(), trimmed=trimmed is not None)
            for name, (mean, std) in zip(groups, scalers, strict=True)
        }
    run.write_record()


def _scaler_digest(run: RunStore, level: str, pair: Pair) -> str:
    scalers = run.record.style_scaler[level]
    values = [number for name in pair for number in (*scalers[name].mean, *scalers[name].std)]
    return hashlib.sha256(np.array(values).tobytes()).hexdigest()


def _search(
    title: str,
    run: RunStore,
    graph: Graph,
    wanted: Mapping[str, Digests],
    k: int,
    device: Device,
    connect: Connect,
    progress: Progress,
    search: str = "",
    graph_k: int = 0,
) -> None:
    """Find what is not on disk yet of the neighbors of some levels and pairs."""
    missing = {
        level: {
            pair: digest
            for pair, digest in digests.items()
            if not has_neighbors(run, level, pair, graph, digest if digest else None)
        }
        for level, digests in wanted.items()
    }
    missing = {level: digests for level, digests in missing.items() if digests}
    if not missing:
        return
    if run.record.embedded >= PARTITION_FROM:
        search_in_parts(run, missing, graph, _dataset_rows(run, graph), k, device, connect, progress, title)
        return
    jobs = [
        _Job(
            run=run,
            level=level,
            pair=pair,
            k=k,
            device=device,
            search=search,
            graph_k=graph_k,
            graph=graph,
            digest=digest,
        )
        for level, digests in missing.items()
        for pair, digest in digests.items()
    ]
    for job in jobs:
        create_neighbors(run, job.level, job.pair, k, graph)
    client = connect()
    with progress.task(title, len(jobs), "pair") as task:
        processes = workers_per_host(client)
        infos = []
        for info in run_jobs(client, _search_pair, (replace(job, processes_per_host=processes) for job in jobs)):
            infos.append(info)
            task.advance(1)
    _tell_recall(title, infos, progress)


def _dataset_rows(run: RunStore, graph: Graph) -> dict[str, DatasetRows]:
    if graph == "images":
        return {name: DatasetRows.of_images(name, rows_read(run, name)) for name in run.record.datasets}
    groups = read_all_groups(run)
    return {name: DatasetRows.of_groups(name, groups) for name in groups}


def _digest(query: ImageGroups, reference: ImageGroups, pair: Pair) -> str:
    digest = hashlib.sha256(reference.representative_rows.tobytes())
    digest.update(group_identities(query, reference, same=pair.query == pair.reference).tobytes())
    return digest.hexdigest()


def _open_views(job: _Job) -> tuple[EmbeddingView, EmbeddingView]:
    run, level, pair = job.run, job.level, job.pair
    reading: Reading = "style-aside" if job.graph == "style-aside" else "as-is"
    query, reference = (open_view(run, name, level, reading) for name in pair)
    if job.graph == "images":
        return query, reference
    groups = read_groups(run, pair.query), read_groups(run, pair.reference)
    representatives = reference.take(groups[1].representative)
    return (
        replace(query, identity=group_identities(*groups, same=pair.query == pair.reference)),
        replace(representatives, identity=np.arange(len(representatives))),
    )


def _search_pair(job: _Job) -> NeighborSearchInfo:
    run, level, pair = job.run, job.level, job.pair
    query, reference = _open_views(job)
    has_own = job.graph != "images" or pair.query == pair.reference
    share_cores(job.processes_per_host)
    methods, recalls, samples = set[Method](), [], []
    # For the map; what does not fit is read from the disk again.
    max_bytes = int(MEMORY_LIMIT * _CACHE_SHARE / max(1, job.processes_per_host))
    cached = CachedNeighbors.empty(len(query), job.graph_k if len(query) * job.graph_k * 8 <= max_bytes else 0)
    for start in range(0, len(query), _CHUNK_ROWS):
        part = query.take(slice(start, start + _CHUNK_ROWS))
        result = job.device.neighbors(part, reference, job.k, same=has_own)
        indices = np.where(result.indices >= 0, reference.rows[result.indices], -1)
        write_neighbor_rows(run, level, pair, part.rows, result.distances, indices, job.graph)
        cached.distances[start : start + len(part)] = result.distances[:, : cached.distances.shape[1]]
        cached.positions[start : start + len(part)] = result.indices[:, : cached.positions.shape[1]]
        methods.add(result.method)
        recalls.append(result.recall)
        samples.append(result.sample)
    info = NeighborSearchInfo(
        method="ivf" if "ivf" in methods else "exact",
        recall=float(np.average(recalls, weights=np.maximum(samples, 1))) if recalls else 1.0,
        sample=sum(samples),
    )
    finish_neighbors(run, level, pair, info, job.graph, job.digest)
    if cached.distances.shape[1]:
        NEIGHBOR_CACHE.put(job.search, level, pair, cached, max_bytes)
    return info


def _tell_recall(title: str, infos: Sequence[NeighborSearchInfo], progress: Progress) -> None:
    approximate = [info for info in infos if info["method"] != "exact"]
    if approximate:
        worst = min(info["recall"] for info in approximate)
        progress.note(
            f"{title}: {len(approximate)} of {len(infos)} pairs are too large to compare everything; "
            f"on samples at least {worst:.1%} of the true neighbors were found"
        )
