"""The CUDA device computes what the CPU does. Skipped, with the reason, where there is no NVIDIA GPU."""

import importlib.util
import io
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files

import numpy as np
import pytest
import torch
import zarr
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score

from gapscope.decode.gpu import _BOOT, GpuDecoder
from gapscope.device.cpu import Cpu
from gapscope.device.cuda import Cuda, _has_nvimgcodec
from gapscope.layout.graph import with_self
from gapscope.layout.pca_init import pca_init
from gapscope.layout.quality import layout_quality
from gapscope.neighbors.embedding_view import EmbeddingView
from gapscope.neighbors.exact import exact_neighbors
from gapscope.neighbors.ivf import RECALL
from gapscope.neighbors.result import recall
from gapscope.pyramid import MODELS, load_pyramid
from gapscope.pyramid.weights import sha256_of
from gapscope.settings import EmbedSettings, LayoutSettings, Preprocess

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU here"),
]
needs_cuml = pytest.mark.skipif(importlib.util.find_spec("cuml") is None, reason="cuML is not installed")


def open_view(rows: int, length: int, seed: int) -> EmbeddingView:
    values, _ = make_blobs(rows, length, centers=8, random_state=seed)
    return EmbeddingView(
        embeddings=zarr.create_array({}, data=values.astype(np.float16), chunks=(1024, length)),
        rows=np.arange(rows),
        mean=np.zeros(length, np.float32),
        std=np.ones(length, np.float32),
    )


def bundled(frame: Preprocess) -> EmbedSettings:
    weights = MODELS["bundled"].weights()
    return EmbedSettings(
        model="bundled",
        weights=str(weights),
        weights_sha256=sha256_of(weights),
        levels=MODELS["bundled"].choose_levels(None),
        preprocess=frame,
    )


def test_embeddings_are_the_cpus() -> None:
    settings = bundled(Preprocess(size=224))
    pixels = np.random.default_rng(0).integers(0, 256, (16, 224, 224, 3), dtype=np.uint8)
    expected = Cpu().embed(Cpu().prepare_network(load_pyramid(settings), ()), pixels, "float32")()
    pinned = Cuda().allocate_batch(pixels.shape)
    pinned[...] = pixels
    network = Cuda().prepare_network(load_pyramid(settings), ("channels-last",))
    first, second = (Cuda().embed(network, pinned, "float32") for _ in range(2))
    for level, values in second().items():
        np.testing.assert_array_equal(values, first()[level])
    for level, values in expected.items():
        assert np.abs(first()[level] - values).max() < 5e-4 * np.abs(values).max()


def test_concurrent_batches_do_not_disturb_each_other() -> None:
    random, settings = np.random.default_rng(0), bundled(Preprocess(size=224))
    network = Cuda().prepare_network(load_pyramid(settings), ("channels-last",))
    batches = [Cuda().allocate_batch((16, 224, 224, 3)) for _ in range(6)]
    for batch in batches:
        batch[...] = random.integers(0, 256, batch.shape, np.uint8)
    one_by_one = [Cuda().embed(network, batch, "float32")() for batch in batches]
    concurrent = [Cuda().embed(network, batch, "float32") for batch in batches]
    for expected, wait in zip(one_by_one, concurrent, strict=True):
        for level, values in wait().items():
            np.testing.assert_array_equal(values, expected[level])


@pytest.mark.skipif(not _has_nvimgcodec(), reason="nvImageCodec is not installed")
def test_decoded_pictures_are_the_cpus() -> None:
    """The GPU's and the CPU's pixels of a photograph differ far less than two photographs do."""
    names, frame = (
        ("astronaut.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "retina.jpg"),
        Preprocess(size=224),
    )
    data = []
    for number, name in enumerate(names):
        photo = Image.open(io.BytesIO((files("skimage") / "data" / name).read_bytes())).convert("RGB")
        exif = Image.Exif()
        exif[0x0112] = 1 + number
        for side, quality, sampling in ((600, 95, "4:4:4"), (1500, 85, "4:2:0")):
            file = io.BytesIO()
            photo.resize((side, side * 3 // 4)).save(file, "JPEG", quality=quality, subsampling=sampling, exif=exif)
            data.append(file.getvalue())
    decode_on_gpu = GpuDecoder(_BOOT)
    with ThreadPoolExecutor(8) as pool:
        by_gpu = list(pool.map(lambda each: decode_on_gpu(each, frame), data))
    by_cpu = [Cpu().decode(each, frame) for each in data]
    for actual, expected in zip(by_gpu, by_cpu, strict=True):
        assert actual is not None, "the GPU does not read a plain JPEG"
        assert (actual.format, actual.width, actual.height, actual.jpeg_quality) == (
            expected.format,
            expected.width,
            expected.height,
            expected.jpeg_quality,
        )
        assert np.abs(actual.pixels.astype(int) - expected.pixels).mean() < 3
    pyramid = load_pyramid(bundled(frame))
    with torch.inference_mode():
        actual_by_level, expected_by_level = (
            pyramid(torch.from_numpy(np.stack([picture.pixels for picture in pictures if picture])).permute(0, 3, 1, 2))
            for pictures in (by_gpu, by_cpu)
        )
    for level, values in expected_by_level.items():
        embeddings = values.numpy()
        # Distance of the nearest other photograph; each one has two files.
        distances = np.linalg.norm(embeddings[:, None] - embeddings[None], axis=2)
        group = np.arange(len(data)) // 2
        nearest = np.where(group[:, None] == group[None], np.inf, distances).min(axis=1)
        assert (np.linalg.norm(actual_by_level[level].numpy() - embeddings, axis=1) / nearest).max() < 0.1


@pytest.mark.parametrize("same", [False, True])
def test_neighbors_are_the_cpus(same: bool) -> None:
    query = open_view(3000, 64, 1)
    reference = query if same else open_view(2000, 64, 2)
    expected = Cpu().neighbors(query, reference, 10, same=same)
    actual = Cuda().neighbors(query, reference, 10, same=same)
    np.testing.assert_allclose(actual[0], expected[0], atol=1e-5)
    assert (actual[1] == expected[1]).mean() > 0.999


@pytest.mark.parametrize("same", [False, True])
def test_neighbors_do_not_depend_on_the_memory_for_queries(same: bool) -> None:
    query = open_view(5000, 64, 1)
    reference = query if same else open_view(40_000, 64, 2)
    whole, in_parts = (
        exact_neighbors(query, reference, 10, same=same, device=torch.device("cuda"), held_bytes=held_bytes)
        for held_bytes in (2**30, 1)
    )
    # A GPU sums in an order that depends on the amount of work.
    np.testing.assert_allclose(whole.distances, in_parts.distances, atol=1e-6)
    assert (whole.indices == in_parts.indices).mean() > 0.999


@pytest.mark.skipif(importlib.util.find_spec("cuvs") is None, reason="cuVS is not installed")
@pytest.mark.parametrize("same", [False, True])
def test_the_ivf_index_reaches_its_recall(same: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gapscope.device.cuda._IVF_FROM", 1000)
    query = open_view(3000, 64, 1)
    reference = query if same else open_view(2000, 64, 2)
    expected = Cpu().neighbors(query, reference, 10, same=same)
    actual = Cuda().neighbors(query, reference, 10, same=same)
    assert actual.method == "ivf"
    assert recall(actual.distances, expected.distances) > RECALL - 0.02
    if same:
        assert not (actual.indices == np.arange(3000)[:, None]).any()


def photograph(name: str) -> Image.Image:
    return Image.open(io.BytesIO((files("skimage") / "data" / name).read_bytes())).convert("RGB")


def real_embeddings() -> EmbeddingView:
    """The last level of the bundled network for crops of the photographs that scikit-image's wheel carries."""
    weights = MODELS["bundled"].weights()
    settings = EmbedSettings(
        model="bundled",
        weights=str(weights),
        weights_sha256=sha256_of(weights),
        levels=("P5",),
        preprocess=Preprocess(size=96),
    )
    pictures = [np.array(photograph(name)) for name in ("brick.png", "grass.png", "chelsea.png", "coffee.png")]
    random = np.random.default_rng(0)
    crops = []
    for number in range(2000):
        picture = pictures[number % len(pictures)]
        top, left = (int(random.integers(0, length - 96)) for length in picture.shape[:2])
        crops.append(picture[top : top + 96, left : left + 96])
    embeddings = Cuda().embed(Cuda().prepare_network(load_pyramid(settings), ()), np.stack(crops), "float32")()["P5"]
    return EmbeddingView(
        embeddings=zarr.create_array({}, data=embeddings.astype(np.float16), chunks=(1024, embeddings.shape[1])),
        rows=np.arange(len(embeddings)),
        mean=embeddings.mean(axis=0),
        std=np.maximum(embeddings.std(axis=0), 1e-6),
    )


@needs_cuml
def test_the_layout_is_as_good_as_the_cpus() -> None:
    view = real_embeddings()
    neighbors = Cpu().neighbors(view, view, 14, same=True)
    graph = with_self(neighbors.distances, neighbors.indices)
    start = pca_init([view], seed=0)

    def quality(points: NDArray[np.float32]) -> float:
        assert points.shape == (len(view), 3)
        return layout_quality([view], points, seed=0)["trustworthiness"] or 0.0

    trustworthiness = quality(Cuda().layout(start, *graph, LayoutSettings()))
    assert trustworthiness == pytest.approx(quality(Cpu().layout(start, *graph, LayoutSettings())), abs=0.02)


@needs_cuml
def test_a_seed_gives_the_same_layout_again() -> None:
    view = open_view(2000, 64, 1)
    neighbors = Cuda().neighbors(view, view, 14, same=True)
    graph, start = with_self(neighbors.distances, neighbors.indices), pca_init([view], seed=0)
    first, second = (Cuda().layout(start, *graph, LayoutSettings(seed=3)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@needs_cuml
def test_clusters_are_the_cpus() -> None:
    # The blobs touch, so that the number of neighbors in HDBSCAN's density matters.
    points, _ = make_blobs([900, 600, 300, 80], 3, cluster_std=1.5, center_box=(-8, 8), random_state=3)
    for min_cluster_size in (5, 20):
        labels = [device.cluster(points.astype(np.float32), min_cluster_size) for device in (Cpu(), Cuda())]
        assert adjusted_rand_score(*labels) > 0.99


def test_distances_of_datasets_are_the_cpus() -> None:
    query, reference = open_view(3000, 64, 1), open_view(2500, 64, 2)
    expected, actual = (device.distribution_distances(query, reference) for device in (Cpu(), Cuda()))
    for of_cpu, of_gpu in zip(expected, actual, strict=True):
        for name, distance in of_cpu.items():
            assert of_gpu[name].value == pytest.approx(distance.value, rel=1e-6, abs=1e-9)
            assert of_gpu[name].ratio == pytest.approx(distance.ratio, rel=1e-6)
