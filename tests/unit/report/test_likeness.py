import base64
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from embedded_run import write_embedded_run
from fake_run import FakeRunSpec, write_fake_run
from numpy.typing import NDArray

from gapscope.neighbors.embedding_view import open_view
from gapscope.neighbors.scaler import fit_scaler
from gapscope.progress import Silent
from gapscope.report.likeness import LikenessVectors, read_likeness
from gapscope.report.points import PointIndex, read_point_index
from gapscope.report.selection import Selection
from gapscope.settings import Metric
from gapscope.store.index import rows_read
from gapscope.store.run_record import StyleScalerRecord
from gapscope.store.run_store import RunStore


def embedded(folder: Path, images: int, channels: int, metric: Metric = "cosine") -> RunStore:
    """Two datasets whose images vary in twenty directions, and one image that was not read."""
    random = np.random.default_rng(0)
    axes = random.normal(size=(20, channels))
    datasets = {
        name: {"P3": random.normal(size=(images, 20)) @ axes + random.normal(scale=0.1, size=(images, channels))}
        for name in ("real", "synthetic")
    }
    datasets["real"]["P3"][1] = np.nan
    run = write_embedded_run(folder, datasets, metric)
    scalers = {}
    for name, levels in datasets.items():
        mean, std = fit_scaler([levels["P3"][np.isfinite(levels["P3"][:, 0])].astype(np.float32)])
        scalers[name] = StyleScalerRecord(mean=mean.tolist(), std=std.tolist(), trimmed=False)
    run.record.style_scaler = {"P3": scalers}
    return run


def selected(run: RunStore) -> tuple[PointIndex, Selection]:
    rows = {name: rows_read(run, name) for name in run.datasets}
    dataset = np.repeat([0, 1], [len(own) for own in rows.values()]).astype(np.int16)
    index = PointIndex(
        datasets=run.datasets,
        dataset=dataset,
        row=np.concatenate(list(rows.values())),
        hash=np.arange(len(dataset), dtype=np.uint64),
    )
    # The page has its own order.
    image = np.random.default_rng(1).permutation(len(index))
    return index, Selection(image=image, drawn=np.ones(len(image), bool), important=0, outliers=0, outliers_drawn=0)


def true_vectors(run: RunStore, index: PointIndex, selection: Selection) -> NDArray[np.float32]:
    views = [open_view(run, name, "P3") for name in run.datasets]
    return np.concatenate([view.tile(0, len(view)) for view in views])[selection.image]


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_the_vectors_find_what_is_like_an_image(tmp_path: Path, metric: Metric) -> None:
    run = embedded(tmp_path / "run", 300, 40, metric)
    index, selection = selected(run)
    found = read_likeness(run, index, selection, Silent())
    assert set(found) == {("P3", "as-is"), ("P3", "style-aside")}
    data = found["P3", "as-is"].data
    dims = cast("int", data["dims"])
    values = np.frombuffer(base64.b64decode(cast("str", data["values"])), np.int8).reshape(len(selection.image), dims)
    vectors = true_vectors(run, index, selection)
    for image in (0, 17, 598):
        true = np.linalg.norm(vectors - vectors[image], axis=1)
        short = np.linalg.norm(values.astype(float) - values[image], axis=1) * cast("float", data["scale"])
        nearest = np.argsort(true)[1:11]
        assert len({*nearest} & {*np.argsort(short)[1:11]}) >= 8
        np.testing.assert_allclose(short[nearest], true[nearest], rtol=0.15)
    # Twenty directions take more than the shortest vectors, and less than the longest.
    assert dims in (24, 32)
    assert 0.95 <= cast("float", data["recall"]) <= 1
    assert data["metric"] == metric


def test_each_reading_has_its_own_space(tmp_path: Path) -> None:
    run = embedded(tmp_path / "run", 60, 24)
    found = read_likeness(run, *selected(run), Silent())
    assert (found["P3", "as-is"].values != found["P3", "style-aside"].values).any()


@pytest.mark.parametrize("images", [2, 9])
def test_few_images_and_channels_have_vectors_too(tmp_path: Path, images: int) -> None:
    run = embedded(tmp_path / "run", images, 5)
    index, selection = selected(run)
    vectors: LikenessVectors = read_likeness(run, index, selection, Silent())["P3", "as-is"]
    assert vectors.values.shape == (2 * images - 1, 5)
    assert vectors.recall > 0.8


def test_a_run_without_embeddings_has_none(tmp_path: Path) -> None:
    run = write_fake_run(tmp_path, FakeRunSpec(images={"a": ["1.png", "2.png"], "b": ["1.png"]})).store
    index = read_point_index(run)
    image = np.arange(len(index))
    selection = Selection(image=image, drawn=image >= 0, important=0, outliers=0, outliers_drawn=0)
    assert read_likeness(run, index, selection, Silent()) == {}
