"""Neighbors of many images, in parts of embedding space: the work grows with the images, and no job is large."""

import hashlib
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from gapscope.cluster import Connect, run_jobs, workers_per_host
from gapscope.device import Device
from gapscope.neighbors.result import recall
from gapscope.progress import Progress
from gapscope.stages.partition_jobs import (
    ChooseMargins,
    Chunk,
    CollectChunk,
    FindTrueNeighbors,
    FitPartition,
    PartitionedGraph,
    PartitionJob,
    SampleChunk,
    SearchPart,
    SortChunk,
    run_partition_job,
)
from gapscope.store.arrays import CHUNK_ROWS, has_array
from gapscope.store.datasets import Graph, Pair
from gapscope.store.groups import ImageGroups, group_identities
from gapscope.store.location import Location, remove_tree
from gapscope.store.metrics import NeighborSearchInfo
from gapscope.store.neighbors import create_neighbors, finish_neighbors, neighbor_arrays
from gapscope.store.pyramid import open_embeddings
from gapscope.store.run_store import RunStore
from gapscope.store.shuffle import NAME, Segment, has_segments, read_arrays, segment_starts, write_arrays

_QUERIES = 512
"""Images of each dataset whose true neighbors are found, to measure how many of them are found otherwise."""
_MAX_CHUNKS = 4
_CHUNK_BYTES = 2**27
_MIN_JOBS = 16
"""Chunks that a million images are divided into at least, so that eight workers have work."""
_MIN_RECALL = 0.95
_JOB_QUERIES = 2**20
"""The queries of a part are searched by one job unless they are more, as those of a part that cannot be split."""

Digests = Mapping[Pair, str]


@dataclass(frozen=True, kw_only=True, eq=False)
class DatasetRows:
    """The images of a dataset as one search sees them.

    Attributes:
        rows: (n,) ascending rows of embedded images.
        references: (m,) ascending positions in `rows` of those that are searched; None for all.
        identities: per reference dataset, (n,) what each image is there; see
            `gapscope.neighbors.embedding_view.EmbeddingView`. None stands for its row, a missing dataset for nothing.
    """

    rows: NDArray[np.int64]
    references: NDArray[np.int64] | None
    identities: Mapping[str, NDArray[np.int64] | None]

    @classmethod
    def of_images(cls, name: str, rows: NDArray[np.int64]) -> "DatasetRows":
        """Return images of which each is searched, and which are not their own neighbors."""
        return cls(rows=rows, references=None, identities={name: None})

    @classmethod
    def of_groups(cls, name: str, groups: Mapping[str, ImageGroups]) -> "DatasetRows":
        """Return images of whose groups the representatives are searched, without an image's own group."""
        own = groups[name]
        return cls(
            rows=own.rows,
            references=own.representative,
            identities={other: group_identities(own, of, same=other == name) for other, of in groups.items()},
        )


def search_in_parts(
    run: RunStore,
    levels: Mapping[str, Digests],
    graph: Graph,
    datasets: Mapping[str, DatasetRows],
    k: int,
    device: Device,
    connect: Connect,
    progress: Progress,
    title: str,
) -> None:
    """Write the neighbors of some levels and pairs.

    Args:
        run: the run.
        levels: per level, the pairs that are wanted, each with what `finish_neighbors` keeps of it.
        graph: which neighbors.
        datasets: the images.
        k: number of neighbors per image and pair.
        device: where to search.
        connect: returns the cluster's client.
        progress: shows the work.
        title: of the task.

    Raises:
        ClusterError: the cluster cannot be started or reached, or fails; finished jobs are kept.
    """
    client = connect()
    processes = workers_per_host(client)
    searches = [
        _Search(
            PartitionedGraph(
                run=run,
                level=level,
                graph=graph,
                pairs=tuple(digests),
                k=k,
                sizes={name: len(own.rows) for name, own in datasets.items()},
                references={
                    name: len(own.rows if own.references is None else own.references) for name, own in datasets.items()
                },
                chunk_rows=_chunk_rows(run, level),
                device=device,
                folder=run.path / NAME / f"{level}-{graph}-{_key(run, level, digests, datasets, k)}",
                processes_per_host=processes,
            ),
            datasets,
            digests,
        )
        for level, digests in levels.items()
    ]
    _remove_others(run, [search.graph.folder.name for search in searches])
    waiting, begun, jobs = deque(searches), list[_Search](), deque[PartitionJob]()
    running = {search.graph.folder: search for search in searches}
    images = sum(len(own.rows) for own in datasets.values())

    def begin_next() -> None:
        begun.append(waiting.popleft())
        continue_with(begun[-1])

    def continue_with(search: _Search) -> None:
        jobs.extend(search.next_jobs())
        if search.is_finished:
            progress.note(f"{title}, {search.graph.level}: {search.finish()}")
        # The next level's jobs wait behind this one's, so that no worker idles at the end of a step.
        if search.is_at_last_steps and search is begun[-1] and waiting:
            begin_next()

    with progress.task(title, images * len(searches), "image") as task:
        begin_next()
        counted = 0
        for folder in run_jobs(client, run_partition_job, jobs, progress=progress):
            search = running[folder]
            search.pending -= 1
            if not search.pending:
                continue_with(search)
            done = int(images * sum(search.share_done for search in searches))
            task.advance(done - counted)
            counted = done
        task.advance(images * len(searches) - counted)
    remove_tree(run.path / NAME)


def _chunk_rows(run: RunStore, level: str) -> int:
    sizes = [
        embeddings.dtype.itemsize * embeddings.shape[1]
        for name in run.record.datasets
        for embeddings in [open_embeddings(run, name, level)]
    ]
    chunks = min(_MAX_CHUNKS, _CHUNK_BYTES // (CHUNK_ROWS * max(sizes)), run.record.listed // (CHUNK_ROWS * _MIN_JOBS))
    return CHUNK_ROWS * max(1, chunks)


def _key(run: RunStore, level: str, digests: Digests, datasets: Mapping[str, DatasetRows], k: int) -> str:
    """Return what tells a search from one of other images, or by other scalers: what it left is of no use to this."""
    key = hashlib.sha256(repr((k, run.record.scaler[level], sorted(digests.items()))).encode())
    for name, own in datasets.items():
        key.update(name.encode())
        key.update(own.rows.tobytes())
    return key.hexdigest()[:16]


def _remove_others(run: RunStore, names: Sequence[str]) -> None:
    folder: Location = run.path / NAME
    others: list[Location] = list(folder.iterdir()) if folder.exists() else []
    for other in others:
        if other.name not in names:
            remove_tree(other)


class _Search:
    """The search of one level: which jobs come next, and how far they are.

    Attributes:
        graph: what its jobs share.
        pending: number of jobs under way.
        is_at_last_steps: whether another search may begin.
        is_finished: whether no job is left.
    """

    def __init__(self, graph: PartitionedGraph, datasets: Mapping[str, DatasetRows], digests: Digests) -> None:
        self.graph, self.pending, self.is_at_last_steps, self.is_finished = graph, 0, False, False
        self._digests = digests
        self._chunks = [chunk for name in graph.datasets for chunk in _chunks(graph, name, datasets[name])]
        self._names = tuple((chunk.dataset, chunk.number) for chunk in self._chunks)
        self._rounds = self._in_rounds()
        self._share_before, self._share_of_round, self._jobs_of_round = 0.0, 0.0, 1

    @property
    def share_done(self) -> float:
        """About which share of the work is done."""
        return self._share_before + self._share_of_round * (1 - self.pending / self._jobs_of_round)

    def next_jobs(self) -> Sequence[PartitionJob]:
        """Return the jobs that can run now that all earlier ones are finished; none at the end."""
        for share, jobs in self._rounds:
            self._share_before += self._share_of_round
            self._share_of_round, self._jobs_of_round = share, max(1, len(jobs))
            if jobs:
                self.pending = len(jobs)
                return jobs
        self.is_finished = True
        return []

    def _in_rounds(self) -> Iterator[tuple[float, Sequence[PartitionJob]]]:
        """Yield jobs that need not wait for each other, with about their share of the work, one round after another."""
        graph, chunks = self.graph, self._chunks
        self._create_arrays()
        yield 0.05, [SampleChunk(graph=graph, chunk=each) for each in chunks if not _exists(graph, "sample", each)]
        yield 0.02, [] if graph.path("fitted").exists() else [FitPartition(graph=graph, chunks=self._names)]
        yield 0.08, [FindTrueNeighbors(graph=graph, chunk=each) for each in chunks if not _exists(graph, "true", each)]
        yield 0.02, [] if graph.path("partition").exists() else [ChooseMargins(graph=graph, chunks=self._names)]
        yield (
            0.13,
            [
                SortChunk(graph=graph, chunk=each)
                for each in chunks
                if not has_segments(graph.path("sorted", each.dataset, each.number), graph.record_dtype(each.dataset))
            ],
        )
        searches = self._searches()
        self.is_at_last_steps = True
        yield 0.6, [search for search in searches if not has_segments(search.path, graph.found_dtype)]
        starts = [(search.reference, search.path, segment_starts(search.path).tolist()) for search in searches]
        yield (
            0.1,
            [
                CollectChunk(
                    graph=graph,
                    chunk=each,
                    found={
                        name: tuple(
                            Segment(path, *own[number : number + 2])
                            for reference, path, own in starts
                            if reference == name
                        )
                        for number in [graph.chunk_offsets[graph.datasets.index(each.dataset)] + each.number]
                        for name in graph.references_of(each.dataset)
                    },
                )
                for each in chunks
                if not _exists(graph, "collected", each)
            ],
        )

    def _create_arrays(self) -> None:
        """Create the arrays of neighbors, but for a search that goes on with those that it has begun to fill."""
        graph, created = self.graph, self.graph.path("created")
        if created.exists() and all(
            has_array(graph.run, path)
            for pair in graph.pairs
            for path in neighbor_arrays(graph.level, pair, graph.graph)
        ):
            return
        for chunk in self._chunks:
            graph.path("collected", chunk.dataset, chunk.number).unlink(missing_ok=True)
        for pair in graph.pairs:
            create_neighbors(graph.run, graph.level, pair, graph.k, graph.graph)
        write_arrays(created)

    def _searches(self) -> list[SearchPart]:
        graph = self.graph
        paths = {
            name: [graph.path("sorted", *each) for each in self._names if each[0] == name] for name in graph.datasets
        }
        starts = {name: np.stack([segment_starts(path) for path in own]) for name, own in paths.items()}
        partition = graph.partition()
        searches = []
        for part in range(len(partition.centroids)):
            segments = {
                name: tuple(
                    Segment(path, start, stop)
                    for path, (start, stop) in zip(paths[name], starts[name][:, part : part + 2].tolist(), strict=True)
                )
                for name in graph.datasets
            }
            jobs = [
                (name, queries)
                for name, held in partition.parts.items()
                if part in held
                for queries in _split({query: segments[query] for query in graph.queries_of(name)})
            ]
            searches += [
                SearchPart(
                    graph=graph,
                    part=part,
                    number=number,
                    queries=queries,
                    reference=name,
                    references=segments[name],
                )
                for number, (name, queries) in enumerate(jobs)
            ]
        # The longest first, so that none of them is left alone at the end.
        return sorted(searches, key=lambda search: -_records(search.queries))

    def finish(self) -> str:
        """Record that all pairs are found, remove what is left of the work, and return the recall in words."""
        graph = self.graph
        truth = read_arrays(graph.path("truth"))
        recalls: dict[Pair, float] = {}
        for pair in graph.pairs:
            found = [
                read_arrays(graph.path("collected", name, number))[pair.reference]
                for name, number in self._names
                if name == pair.query
            ]
            distances = np.concatenate(found)
            recalls[pair] = recall(distances, truth[f"{pair.query}.{pair.reference}"])
            info = NeighborSearchInfo(method="partitioned", recall=recalls[pair], sample=len(distances))
            finish_neighbors(graph.run, graph.level, pair, info, graph.graph, self._digests[pair])
        remove_tree(graph.folder)
        return _describe(recalls)


def _describe(recalls: Mapping[Pair, float]) -> str:
    sides = {
        "within datasets": [value for pair, value in recalls.items() if pair.query == pair.reference],
        "between datasets": [value for pair, value in recalls.items() if pair.query != pair.reference],
    }
    shares = [f"{min(values):.1%} {side}" for side, values in sides.items() if values]
    words = f"on samples at least {' and '.join(shares)} of the true neighbors were found"
    if min(recalls.values()) < _MIN_RECALL:
        words = f"warning: {words}; datasets that lie far apart would take a search of everything"
    return words


def _exists(graph: PartitionedGraph, step: str, chunk: Chunk) -> bool:
    return graph.path(step, chunk.dataset, chunk.number).exists()


def _records(segments: Mapping[str, Sequence[Segment]]) -> int:
    return sum(segment.stop - segment.start for own in segments.values() for segment in own)


def _split(segments: Mapping[str, Sequence[Segment]]) -> Iterator[dict[str, tuple[Segment, ...]]]:
    """Yield the segments of all datasets in turns of `_JOB_QUERIES` images or so; none without records."""
    turn: dict[str, tuple[Segment, ...]] = {}
    for name, own in segments.items():
        for segment in own:
            if segment.start < segment.stop:
                turn[name] = (*turn.get(name, ()), segment)
                if _records(turn) >= _JOB_QUERIES:
                    yield turn
                    turn = {}
    if turn:
        yield turn


def _chunks(graph: PartitionedGraph, name: str, images: DatasetRows) -> Iterator[Chunk]:
    rows = images.rows
    chosen = np.sort(np.random.default_rng(0).choice(len(rows), min(_QUERIES, len(rows)), replace=False))
    edges = np.arange(0, int(rows[-1]) + 1 + graph.chunk_rows, graph.chunk_rows)
    for number, (start, stop) in enumerate(pairwise(np.searchsorted(rows, edges).tolist())):
        if start < stop:
            yield Chunk(
                dataset=name,
                number=number,
                rows=rows[start:stop],
                queries=_between(chosen, start, stop),
                references=None if images.references is None else _between(images.references, start, stop),
                identities={
                    other: None if own is None else own[start:stop] for other, own in images.identities.items()
                },
            )


def _between(positions: NDArray[np.int64], start: int, stop: int) -> NDArray[np.int64]:
    """Return which of the ascending positions lie between two, counted from the first of them."""
    return positions[slice(*np.searchsorted(positions, [start, stop]))] - start
