"""The jobs of a search in parts: each reads and writes files of the run's shuffle, and can be repeated.

sample -> fit -> true neighbors -> margins -> sort -> search -> collect

`gapscope.stages.partitioned_search` hands them out.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gapscope.device import Device
from gapscope.device.cores import share_cores
from gapscope.errors import DamageError
from gapscope.neighbors.copies import hash_rows, rank_among_equals
from gapscope.neighbors.embedding_view import EmbeddingView, open_view, read_rows_float32
from gapscope.neighbors.partition import (
    COPIES,
    TRAINING_ROWS,
    Partition,
    centroid_excess,
    choose_copies,
    choose_visits,
    count_parts,
    fit_centroids,
    is_small,
    margin_of_mean,
    meeting_excess,
    parts_of_reference,
)
from gapscope.settings import Reading
from gapscope.store.datasets import Graph, Pair
from gapscope.store.location import Location
from gapscope.store.neighbors import write_neighbor_rows
from gapscope.store.pyramid import open_embeddings
from gapscope.store.run_store import RunStore
from gapscope.store.shuffle import Records, Segment, read_arrays, read_segments, write_arrays, write_segments

_TILE_ROWS = 8192
_TILE_NUMBERS = 2**22
"""Distances to centroids that are in memory at a time."""
_RUN_ROWS = 1024
"""Rows that lie together on disk: as many are read for one of them."""
_MAX_RUNS = 32
_MIN_TRAINING_ROWS = 4096
_IS_REFERENCE = np.uint64(1 << 63)
_one_search = threading.Lock()
"""A worker has two jobs at a time. Two searches would only take the processor's cache from each other."""

_REPEATED = 0.5
"""Share of distinct queries below which each distinct one is searched once."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PartitionedGraph:
    """What all jobs of one search share: one level's neighbors, of some pairs of datasets.

    Attributes:
        run: the run.
        level: the level's name.
        graph: which neighbors.
        pairs: of datasets.
        k: number of neighbors.
        sizes: per dataset, the number of embedded images, and `references`, of those that are searched.
        chunk_rows: rows of a dataset that a job takes.
        device: where to search.
        folder: of the scratch files.
        processes_per_host: number of worker processes that share a machine's cores.
    """

    run: RunStore
    level: str
    graph: Graph
    pairs: tuple[Pair, ...]
    k: int
    sizes: Mapping[str, int]
    references: Mapping[str, int]
    chunk_rows: int
    device: Device
    folder: Location
    processes_per_host: int = 1

    @property
    def reading(self) -> Reading:
        """Whose scaler."""
        return "style-aside" if self.graph == "style-aside" else "as-is"

    @property
    def datasets(self) -> list[str]:
        """The datasets of the pairs, in the run's order."""
        named = {name for pair in self.pairs for name in pair}
        return [name for name in self.run.record.datasets if name in named]

    def references_of(self, query: str) -> list[str]:
        """Return the datasets that a dataset's images are compared with, in the run's order."""
        return [name for name in self.datasets if Pair(query, name) in self.pairs]

    def queries_of(self, reference: str) -> list[str]:
        """Return the datasets whose images are compared with a dataset, in the run's order."""
        return [name for name in self.datasets if Pair(name, reference) in self.pairs]

    @property
    def channels(self) -> int:
        """Length of each embedding."""
        return int(open_embeddings(self.run, self.datasets[0], self.level).shape[1])

    def is_own(self, pair: Pair) -> bool:
        """Return whether images of a pair may be the same, or of the same group."""
        return self.graph != "images" or pair.query == pair.reference

    def view(self, dataset: str, rows: NDArray[np.int64]) -> EmbeddingView:
        """Return rows of a dataset."""
        return open_view(self.run, dataset, self.level, self.reading, rows)

    def view_of(self, dataset: str, embeddings: NDArray[Any], identity: NDArray[np.int64]) -> EmbeddingView:
        """Return embeddings of a dataset that are in memory."""
        empty = self.view(dataset, np.empty(0, np.int64))
        return replace(empty, embeddings=embeddings, rows=np.arange(len(embeddings)), identity=identity)

    def vectors(self, dataset: str, embeddings: NDArray[Any]) -> NDArray[np.float32]:
        """Return embeddings of a dataset as vectors (n, channels)."""
        return self.view(dataset, np.empty(0, np.int64)).transform(embeddings)

    def view_of_vectors(self, vectors: NDArray[np.float32], identity: NDArray[np.int64]) -> EmbeddingView:
        """Return vectors of any datasets."""
        channels = vectors.shape[1]
        return EmbeddingView(
            embeddings=vectors,
            rows=np.arange(len(vectors)),
            mean=np.zeros(channels, np.float32),
            std=np.ones(channels, np.float32),
            metric=self.run.record.config.neighbors.metric,
            identity=identity,
            is_standardized=True,
        )

    def record_dtype(self, dataset: str) -> np.dtype[Any]:
        """Return the type of a dataset's images on their way to parts."""
        embeddings = self.view(dataset, np.empty(0, np.int64)).embeddings
        return np.dtype(
            [
                ("row", np.int64),
                ("roles", np.uint64),
                ("identity", np.int64, (len(self.datasets),)),
                ("embedding", embeddings.dtype, (embeddings.shape[1],)),
            ]
        )

    @property
    def found_dtype(self) -> np.dtype[Any]:
        """The type of neighbors on their way back to their rows."""
        rows = max(self.run.record.datasets[name].listed for name in self.datasets)
        return np.dtype(
            [
                ("query", np.uint8),
                ("row", np.int64),
                ("distances", np.float32, (self.k,)),
                ("indices", np.int32 if rows < 2**31 else np.int64, (self.k,)),
            ]
        )

    @property
    def chunk_offsets(self) -> NDArray[np.int64]:
        """(datasets + 1,) number of each dataset's first chunk when all chunks are numbered, and of all chunks."""
        listed = [self.run.record.datasets[name].listed for name in self.datasets]
        return np.cumsum([0, *(-(-rows // self.chunk_rows) for rows in listed)])

    def count_parts(self) -> int:
        """Return how many parts the embeddings are divided into."""
        return count_parts(sum(self.sizes.values()), self.channels)

    def training_rows(self, dataset: str) -> int:
        """Return how many images of a dataset centroids are fitted to."""
        total = sum(self.sizes.values())
        share = self.count_parts() * TRAINING_ROWS * self.sizes[dataset] // total
        return min(self.sizes[dataset], max(share, _MIN_TRAINING_ROWS))

    def path(self, step: str, dataset: str = "", number: int = 0) -> Location:
        """Return the path of what a step writes about a chunk, or altogether."""
        return self.folder / (f"{step}-{dataset}-{number:06d}" if dataset else f"{step}.npz")

    def partition(self) -> Partition:
        """Return the partition that `ChooseMargins` wrote."""
        arrays = read_arrays(self.path("partition"))
        return Partition(
            centroids=arrays["centroids"],
            parts={name: arrays[f"parts.{name}"] for name in self._referenced},
            copy_margins={name: float(arrays[f"copies.{name}"]) for name in self._referenced},
            visit_margins={
                name: {query: float(arrays[f"visits.{query}.{name}"]) for query in self.queries_of(name)}
                for name in self._referenced
            },
        )

    @property
    def _referenced(self) -> list[str]:
        return [name for name in self.datasets if self.queries_of(name)]


@dataclass(frozen=True, kw_only=True, eq=False)
class Chunk:
    """Consecutive rows of a dataset.

    Attributes:
        dataset: the dataset's name.
        number: the chunk's number in its dataset.
        rows: (n,) ascending rows of embedded images.
        queries: ascending positions in `rows` of the queries of the sample whose true neighbors are found.
        references: ascending positions in `rows` of the images that are searched; None for all.
        identities: per dataset among which the chunk's images search, (n,) what each is there; see
            `gapscope.neighbors.embedding_view.EmbeddingView`. None stands for its row.
    """

    dataset: str
    number: int
    rows: NDArray[np.int64]
    queries: NDArray[np.int64]
    references: NDArray[np.int64] | None
    identities: Mapping[str, NDArray[np.int64] | None]

    @property
    def is_reference(self) -> NDArray[np.bool_]:
        """(n,) whether each image is searched."""
        if self.references is None:
            return np.ones(len(self.rows), bool)
        searched = np.zeros(len(self.rows), bool)
        searched[self.references] = True
        return searched

    def identity(self, datasets: Sequence[str]) -> NDArray[np.int64]:
        """Return (n, datasets) what each image is among the images of each dataset; -1 for none."""
        identity = np.full((len(self.rows), len(datasets)), -1, np.int64)
        for column, name in enumerate(datasets):
            if name in self.identities:
                own = self.identities[name]
                identity[:, column] = self.rows if own is None else own
        return identity


@dataclass(frozen=True, kw_only=True, eq=False)
class SampleChunk:
    """Write a sample of a chunk: images that centroids are fitted to, and queries."""

    graph: PartitionedGraph
    chunk: Chunk

    def run(self) -> None:
        """Do the job."""
        graph, chunk = self.graph, self.chunk
        training = self._training_positions()
        view = graph.view(chunk.dataset, chunk.rows)
        dtype = view.embeddings.dtype
        write_arrays(
            graph.path("sample", chunk.dataset, chunk.number),
            training=read_rows_float32(view.embeddings, chunk.rows[training]).astype(dtype),
            is_reference=chunk.is_reference[training],
            queries=read_rows_float32(view.embeddings, chunk.rows[chunk.queries]).astype(dtype),
            identity=chunk.identity(graph.datasets)[chunk.queries],
        )

    def _training_positions(self) -> NDArray[np.int64]:
        """Return ascending positions of a random sample that lies in few places, so that little is read."""
        size = len(self.chunk.rows)
        wanted = -(-self.graph.training_rows(self.chunk.dataset) * size // self.graph.sizes[self.chunk.dataset])
        random = np.random.default_rng(self.chunk.number)
        runs = -(-size // _RUN_ROWS)
        chosen = np.sort(random.choice(runs, min(runs, _MAX_RUNS), replace=False))
        per_run = -(-wanted // len(chosen))
        positions = [
            run * _RUN_ROWS + random.choice(length, min(length, per_run), replace=False)
            for run in chosen.tolist()
            for length in [min(_RUN_ROWS, size - run * _RUN_ROWS)]
        ]
        return np.sort(np.concatenate(positions))


@dataclass(frozen=True, kw_only=True, eq=False)
class FitPartition:
    """Fit centroids to the samples, and say which parts hold which datasets, and how far copies may go."""

    graph: PartitionedGraph
    chunks: tuple[tuple[str, int], ...]

    def run(self) -> None:
        """Do the job."""
        graph = self.graph
        samples = {name: _read_sample(graph, name, self.chunks) for name in graph.datasets}
        # Those of datasets that gave more than their share weigh more; it is a matter of borders only.
        training = {name: graph.vectors(name, own["training"]) for name, own in samples.items()}
        centroids = fit_centroids(np.concatenate(list(training.values())), graph.count_parts())
        arrays: dict[str, NDArray[Any]] = {"centroids": centroids}
        for name, own in samples.items():
            references = training[name][own["is_reference"]]
            held = parts_of_reference(references, centroids, graph.references[name])
            excess = centroid_excess(references, centroids[held])
            is_everywhere = is_small(graph.references[name])
            margins = [np.inf if is_everywhere else margin_of_mean(excess, copies) for copies in COPIES]
            arrays |= {f"parts.{name}": held, f"margins.{name}": np.array(margins)}
            arrays |= {f"{key}.{name}": own[key] for key in ("queries", "identity")}
        write_arrays(graph.path("fitted"), **arrays)


def _read_sample(graph: PartitionedGraph, dataset: str, chunks: Sequence[tuple[str, int]]) -> dict[str, NDArray[Any]]:
    """Return what `SampleChunk` wrote of all chunks of a dataset."""
    files = [read_arrays(graph.path("sample", name, number)) for name, number in chunks if name == dataset]
    return {key: np.concatenate([file[key] for file in files]) for key in files[0]}


@dataclass(frozen=True, kw_only=True, eq=False)
class FindTrueNeighbors:
    """Find the sample's true neighbors among a chunk's references, and by which margins they would be met."""

    graph: PartitionedGraph
    chunk: Chunk

    def run(self) -> None:
        """Do the job."""
        graph, chunk = self.graph, self.chunk
        fitted = read_arrays(graph.path("fitted"))
        number = graph.datasets.index(chunk.dataset)
        view = replace(graph.view(chunk.dataset, chunk.rows), identity=chunk.identity(graph.datasets)[:, number])
        reference = view.take(np.flatnonzero(chunk.is_reference))
        centroids = fitted["centroids"][fitted[f"parts.{chunk.dataset}"]]
        margins = fitted[f"margins.{chunk.dataset}"].tolist()
        arrays: dict[str, NDArray[Any]] = {}
        for query in graph.queries_of(chunk.dataset):
            own = graph.is_own(Pair(query, chunk.dataset))
            sample = graph.view_of(query, fitted[f"queries.{query}"], fitted[f"identity.{query}"][:, number])
            nearest = graph.device.neighbors(sample, reference, graph.k, same=own)
            arrays[f"distances.{query}"] = nearest.distances
            arrays[f"meeting.{query}"] = _meeting(sample, reference, nearest.indices, centroids, margins)
        write_arrays(graph.path("true", chunk.dataset, chunk.number), **arrays)


def _meeting(
    sample: EmbeddingView,
    reference: EmbeddingView,
    indices: NDArray[np.int64],
    centroids: NDArray[np.float32],
    margins: Sequence[float],
) -> NDArray[np.float32]:
    """Return (m, k, margins) `meeting_excess` of each query and neighbor; infinite where there is no neighbor."""
    met = np.full((*indices.shape, len(margins)), np.inf, np.float32)
    wanted, columns = np.unique(indices[indices >= 0], return_inverse=True)
    if not len(wanted):
        return met
    near = reference.take(wanted)
    vectors = near.tile(0, len(near))
    of_queries = centroid_excess(sample.tile(0, len(sample)), centroids)
    column = np.full(indices.shape, -1)
    column[indices >= 0] = columns
    for query, own in enumerate(column):
        # Of one query's neighbors at a time: of all, to every centroid, they would be too many.
        of_references = centroid_excess(vectors[own[own >= 0]], centroids)
        met[query, own >= 0] = meeting_excess(of_queries[query], of_references, margins)
    return met


@dataclass(frozen=True, kw_only=True, eq=False)
class ChooseMargins:
    """Choose the least margins that meet enough of the sample's true neighbors, and write the partition."""

    graph: PartitionedGraph
    chunks: tuple[tuple[str, int], ...]

    def run(self) -> None:
        """Do the job."""
        graph = self.graph
        fitted = read_arrays(graph.path("fitted"))
        centroids = fitted["centroids"]
        partition: dict[str, NDArray[Any]] = {"centroids": centroids}
        truth: dict[str, NDArray[Any]] = {}
        training = {
            name: graph.vectors(name, _read_sample(graph, name, self.chunks)["training"]) for name in graph.datasets
        }
        for name in graph.datasets:
            if not graph.queries_of(name):
                continue
            partition[f"parts.{name}"] = fitted[f"parts.{name}"]
            meetings = {}
            for query in graph.queries_of(name):
                truth[f"{query}.{name}"], meetings[query] = self._nearest(query, name)
            copies = choose_copies(meetings.get(name, np.empty((0, len(COPIES)), np.float32)))
            partition[f"copies.{name}"] = fitted[f"margins.{name}"][copies]
            for query, meeting in meetings.items():
                excess = centroid_excess(training[query], centroids[fitted[f"parts.{name}"]])
                partition[f"visits.{query}.{name}"] = np.array(choose_visits(meeting[:, copies], excess))
        write_arrays(graph.path("truth"), **truth)
        write_arrays(graph.path("partition"), **partition)

    def _nearest(self, query: str, reference: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return distances (m, k) of the sample's true neighbors, and `meeting_excess` (n, margins) of those n."""
        distances, meeting = [], []
        for name, number in self.chunks:
            if name == reference:
                arrays = read_arrays(self.graph.path("true", name, number))
                distances.append(arrays[f"distances.{query}"])
                meeting.append(arrays[f"meeting.{query}"])
        merged, met = np.concatenate(distances, axis=1), np.concatenate(meeting, axis=1)
        order = np.argsort(merged, axis=1, kind="stable")[:, : self.graph.k]
        nearest = np.take_along_axis(merged, order, axis=1)
        met = np.take_along_axis(met, order[:, :, None], axis=1)
        return nearest, met[np.isfinite(nearest)]


@dataclass(frozen=True, kw_only=True, eq=False)
class SortChunk:
    """Write a chunk's images by part: as queries of the parts that they visit, as references of those that hold them.

    Of references that are equal, more than k + 1 are never among the k nearest of anything.
    """

    graph: PartitionedGraph
    chunk: Chunk

    def run(self) -> None:
        """Do the job."""
        graph, chunk = self.graph, self.chunk
        partition = graph.partition()
        identity, is_reference = chunk.identity(graph.datasets), chunk.is_reference
        view = graph.view(chunk.dataset, chunk.rows)
        embeddings = np.empty((len(view), view.channels), view.embeddings.dtype)
        positions, parts, roles = [], [], []
        tile_rows = min(_TILE_ROWS, _TILE_NUMBERS // len(partition.centroids))
        for start in range(0, len(view), tile_rows):
            tile = read_rows_float32(view.embeddings, view.rows[start : start + tile_rows])
            embeddings[start : start + len(tile)] = tile
            vectors = view.transform(tile)
            of_tile = self._roles(partition, vectors, is_reference[start : start + len(tile)])
            rows, columns = np.nonzero(of_tile)
            positions.append(start + rows)
            parts.append(columns)
            roles.append(of_tile[rows, columns])
        position, part, role = np.concatenate(positions), np.concatenate(parts), np.concatenate(roles)
        copies = np.zeros(len(view), np.int64)
        references = np.flatnonzero(is_reference)
        copies[references] = rank_among_equals(hash_rows(embeddings[references]))
        role = np.where(copies[position] > graph.k, role & ~_IS_REFERENCE, role)
        kept = np.flatnonzero(role)
        order = kept[np.argsort(part[kept], kind="stable")]
        dtype = graph.record_dtype(chunk.dataset)

        def pieces() -> Iterator[Records]:
            # There may be many copies of an image.
            for start in range(0, len(order), _TILE_ROWS):
                tile = order[start : start + _TILE_ROWS]
                records = np.empty(len(tile), dtype)
                records["row"], records["roles"] = chunk.rows[position[tile]], role[tile]
                records["identity"], records["embedding"] = identity[position[tile]], embeddings[position[tile]]
                yield records

        starts = np.searchsorted(part[order], np.arange(len(partition.centroids) + 1))
        write_segments(graph.path("sorted", chunk.dataset, chunk.number), pieces(), starts)

    def _roles(
        self, partition: Partition, vectors: NDArray[np.float32], is_reference: NDArray[np.bool_]
    ) -> NDArray[np.uint64]:
        """Return (n, parts) what each image is in each part: a bit per dataset that it is compared with there."""
        own = self.chunk.dataset
        roles = np.zeros((len(vectors), len(partition.centroids)), np.uint64)
        for number, name in enumerate(self.graph.datasets):
            if name not in partition.parts:
                continue
            asks, holds = own in partition.visit_margins[name], name == own
            if not (asks or holds):
                continue
            excess, parts = partition.excess(vectors, name), partition.parts[name]
            if asks:
                visited = excess <= partition.visit_margins[name][own]
                roles[:, parts] |= np.where(visited, np.uint64(1 << number), np.uint64(0))
            if holds:
                held = (excess <= partition.copy_margins[name]) & is_reference[:, None]
                roles[:, parts] |= np.where(held, _IS_REFERENCE, np.uint64(0))
        return roles


@dataclass(frozen=True, kw_only=True, eq=False)
class SearchPart:
    """Search the references of a part for some queries that visit it, and write what they find by dataset and row.

    Attributes:
        graph: what all jobs share.
        part: the part's number.
        number: of the job among those of this part.
        queries: per dataset, where the queries are, among other records.
        reference: the dataset that is searched.
        references: where its references are, among other records.
    """

    graph: PartitionedGraph
    part: int
    number: int
    queries: Mapping[str, tuple[Segment, ...]]
    reference: str
    references: tuple[Segment, ...]

    @property
    def path(self) -> Location:
        """Path of what is found."""
        return self.graph.path("found", f"{self.part:06d}", self.number)

    def run(self) -> None:
        """Do the job."""
        graph = self.graph
        searched = graph.datasets.index(self.reference)
        queries = _PartImages.read(graph, self.queries, np.uint64(1 << searched), searched)
        references = _PartImages.read(graph, {self.reference: self.references}, _IS_REFERENCE, searched)
        references = references.few_of_equals(graph.k + 1)
        found = np.empty(0, graph.found_dtype)
        if len(queries.rows):
            with _one_search:
                found = self._search(queries, references)
        # Queries are in the order of the records: of one dataset after the other, and by row.
        chunks = graph.chunk_offsets[found["query"]] + found["row"] // graph.chunk_rows
        starts = np.searchsorted(chunks, np.arange(graph.chunk_offsets[-1] + 1))
        write_segments(self.path, [found], starts)

    def _search(self, asking: "_PartImages", references: "_PartImages") -> Records:
        graph = self.graph
        reference = graph.view_of_vectors(references.vectors, references.identity)
        identity = asking.identity
        _, first, copy = np.unique(asking.hashes, return_index=True, return_inverse=True)
        if len(first) < _REPEATED * len(identity):
            # Equal queries find the same but for themselves, which one more neighbor makes up for.
            query = graph.view_of_vectors(asking.vectors[first], identity[first])
            nearest = graph.device.neighbors_in_part(query, reference, graph.k + 1, same=False)
            distances, positions = nearest.distances[copy], nearest.indices[copy]
            distances, positions = _without_own(distances, positions, identity, reference.identities)
        else:
            query = graph.view_of_vectors(asking.vectors, identity)
            nearest = graph.device.neighbors_in_part(query, reference, graph.k, same=True)
            distances, positions = nearest.distances, nearest.indices
        found = np.empty(len(identity), graph.found_dtype)
        found["query"], found["row"] = asking.dataset, asking.rows
        found["distances"] = distances
        found["indices"] = np.where(positions >= 0, references.rows[positions], -1)
        return found


@dataclass(frozen=True, kw_only=True, eq=False)
class _PartImages:
    """Images of a part that take part in the search of one dataset, one dataset after the other and by row.

    Attributes:
        dataset: (n,) the number of each image's dataset.
        rows: (n,) row in the dataset.
        identity: (n,) what each is among the images that are searched.
        hashes: (n,) equal for equal embeddings of one dataset.
        vectors: (n, channels).
    """

    dataset: NDArray[np.uint8]
    rows: NDArray[np.int64]
    identity: NDArray[np.int64]
    hashes: NDArray[np.uint64]
    vectors: NDArray[np.float32]

    @classmethod
    def read(
        cls, graph: PartitionedGraph, segments: Mapping[str, Sequence[Segment]], role: np.uint64, searched: int
    ) -> "_PartImages":
        """Read the images of this role.

        Args:
            graph: of the search.
            segments: per dataset, in the run's order, where its images are, by row and among others.
            role: the bit that they have.
            searched: number of the dataset that is searched.
        """
        most = sum(segment.stop - segment.start for own in segments.values() for segment in own)
        # Pages that stay empty take no memory.
        images = cls(
            dataset=np.empty(most, np.uint8),
            rows=np.empty(most, np.int64),
            identity=np.empty(most, np.int64),
            hashes=np.empty(most, np.uint64),
            vectors=np.empty((most, graph.channels), np.float32),
        )
        count = 0
        for name, own in segments.items():
            number = graph.datasets.index(name)
            for records in read_segments(own, graph.record_dtype(name)):
                chosen = records[(records["roles"] & role) > 0]
                part = slice(count, count + len(chosen))
                images.dataset[part], images.rows[part] = number, chosen["row"]
                images.identity[part] = chosen["identity"][:, searched]
                images.hashes[part] = hash_rows(chosen["embedding"]) + np.uint64(number)
                images.vectors[part] = graph.vectors(name, chosen["embedding"])
                count = part.stop
        return images.take(slice(count))

    def take(self, positions: NDArray[np.int64] | slice) -> "_PartImages":
        """Return the images at these ascending positions alone."""
        return _PartImages(
            dataset=self.dataset[positions],
            rows=self.rows[positions],
            identity=self.identity[positions],
            hashes=self.hashes[positions],
            vectors=self.vectors[positions],
        )

    def few_of_equals(self, count: int) -> "_PartImages":
        """Return images of which at most `count` are equal."""
        few = rank_among_equals(self.hashes) < count
        return self if few.all() else self.take(np.flatnonzero(few))


def _without_own(
    distances: NDArray[np.float32],
    positions: NDArray[np.int64],
    identity: NDArray[np.int64],
    of_references: NDArray[np.int64],
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return (n, k - 1) the nearest without each query's own, or without the last."""
    is_own = (positions >= 0) & (of_references[positions] == identity[:, None])
    is_own[~is_own.any(axis=1), -1] = True
    shape = len(positions), positions.shape[1] - 1
    return distances[~is_own].reshape(shape), positions[~is_own].reshape(shape)


@dataclass(frozen=True, kw_only=True, eq=False)
class CollectChunk:
    """Merge what a chunk's images found in all parts, and write it to the run by row.

    Attributes:
        graph: what all jobs share.
        chunk: the chunk.
        found: per dataset that was searched, where the neighbors are that were found in each part.
    """

    graph: PartitionedGraph
    chunk: Chunk
    found: Mapping[str, tuple[Segment, ...]]

    def run(self) -> None:
        """Do the job."""
        graph, chunk = self.graph, self.chunk
        queries: dict[str, NDArray[Any]] = {}
        for name in graph.references_of(chunk.dataset):
            nearest = _NearestSoFar.none_yet(len(chunk.rows), graph.k)
            for records in read_segments(self.found[name], graph.found_dtype):
                nearest.merge(np.searchsorted(chunk.rows, records["row"]), records["distances"], records["indices"])
            if not nearest.asked.all():
                raise DamageError(
                    f"{graph.folder} lacks neighbors of {chunk.dataset}: remove this folder, and give the same command"
                )
            pair = Pair(chunk.dataset, name)
            write_neighbor_rows(
                graph.run, graph.level, pair, chunk.rows, nearest.distances, nearest.indices, graph.graph
            )
            queries[name] = nearest.distances[chunk.queries]
        write_arrays(graph.path("collected", chunk.dataset, chunk.number), **queries)


@dataclass(frozen=True, kw_only=True, eq=False)
class _NearestSoFar:
    """The nearest that images have found in some of the parts.

    Attributes:
        distances: (n, k) ascending; infinite where there is no neighbor.
        indices: (n, k) rows of the neighbors; -1 for none.
        asked: (n,) whether an image has searched any part.
    """

    distances: NDArray[np.float32]
    indices: NDArray[np.int64]
    asked: NDArray[np.bool_]

    @classmethod
    def none_yet(cls, images: int, k: int) -> "_NearestSoFar":
        return cls(
            distances=np.full((images, k), np.inf, np.float32),
            indices=np.full((images, k), -1, np.int64),
            asked=np.zeros(images, bool),
        )

    def merge(
        self, positions: NDArray[np.int64], distances: NDArray[np.float32], indices: NDArray[np.integer[Any]]
    ) -> None:
        """Keep what is nearest of these and of what was found before, each neighbor once.

        Args:
            positions: (m,) of the images, each once.
            distances: (m, k) ascending.
            indices: (m, k) rows; -1 for none.
        """
        is_first = ~self.asked[positions]
        self.asked[positions] = True
        self.distances[positions[is_first]], self.indices[positions[is_first]] = distances[is_first], indices[is_first]
        again = positions[~is_first]
        both = np.concatenate([self.distances[again], distances[~is_first]], axis=1)
        rows = np.concatenate([self.indices[again], indices[~is_first]], axis=1)
        by_row = np.argsort(rows, axis=1, kind="stable")
        both, rows = np.take_along_axis(both, by_row, 1), np.take_along_axis(rows, by_row, 1)
        both[:, 1:][rows[:, 1:] == rows[:, :-1]] = np.inf
        nearest = np.argsort(both, axis=1, kind="stable")[:, : self.distances.shape[1]]
        self.distances[again] = np.take_along_axis(both, nearest, 1)
        self.indices[again] = np.where(np.isfinite(self.distances[again]), np.take_along_axis(rows, nearest, 1), -1)


PartitionJob = SampleChunk | FitPartition | FindTrueNeighbors | ChooseMargins | SortChunk | SearchPart | CollectChunk


def run_partition_job(job: PartitionJob) -> Location:
    """Run a job on a worker, and return the folder of its search."""
    share_cores(job.graph.processes_per_host)
    job.run()
    return job.graph.folder
