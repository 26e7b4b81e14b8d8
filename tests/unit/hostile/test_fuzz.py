"""Whatever bytes a stranger sends: gapscope's own error, a rejected row, or an image. Nothing else, and little memory.

GAPSCOPE_FUZZ is the number of examples per test, for a long night of fuzzing; they then differ from run to run.
"""

import json
import resource
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from fuzz_seeds import (
    COCO_SEED,
    LIST_SEEDS,
    OME_ZARR_SEED,
    ZARR_SEED,
    fuzz_settings,
    image_seeds,
    mutated_bytes,
    mutated_json,
    npz_seeds,
    numpy_seeds,
    parquet_seeds,
    tar_seeds,
    text_bomb,
    vector_seeds,
    weights_seeds,
    zip_seeds,
)
from hypothesis import given
from hypothesis import strategies as st

from gapscope.decode.children import decode_in_subprocess
from gapscope.errors import UserError
from gapscope.pyramid.weights import read_state
from gapscope.settings import Preprocess
from gapscope.sources import open_source
from gapscope.sources.rejects import STATUSES, Rejected
from gapscope.sources.vectors.dataset import vectors_of

MAX_ROWS = 200
NUMBERS = count()


@pytest.fixture(scope="module", autouse=True)
def little_memory() -> Iterator[None]:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1_000_000


def drain(location: str, *, objects: bool = False) -> None:
    """List a source and read what it lists."""
    try:
        source = open_source("odd", location, objects=objects)
        for index, entry in enumerate(source.entries()):
            assert entry.status in STATUSES
            # The index of a run, its digest and its messages need text that can be encoded.
            entry.uri.encode()
            entry.error.encode()
            if index == MAX_ROWS:
                break
            if entry.status == "listed" and not entry.uri.startswith(("http", "s3", "gs")):
                with suppress(Rejected):
                    source.read(entry)
    except UserError:
        return


def drain_bytes(inside: Path, suffix: str, data: bytes, part: str = "", *, objects: bool = False) -> None:
    # Sources cache what they read by path.
    path = inside / f"{next(NUMBERS)}{suffix}"
    path.write_bytes(data)
    drain(f"{path}{part}", objects=objects)
    path.unlink()


@pytest.mark.parametrize("suffix", vector_seeds())
@fuzz_settings(60)
@given(data=st.data())
def test_vectors(inside: Path, suffix: str, data: st.DataObject) -> None:
    path = inside / f"{next(NUMBERS)}{suffix}"
    path.write_bytes(data.draw(mutated_bytes(vector_seeds()[suffix])))
    part = data.draw(st.sampled_from(["", "::clip", "::ragged", "::clip,ragged"]))
    with suppress(UserError):
        source = open_source("odd", f"vectors:{path}{part}")
        for vectors in vectors_of(source).values():
            rows, length = vectors.shape
            assert vectors.read(0, min(rows, MAX_ROWS)).shape == (min(rows, MAX_ROWS), length)
    drain(f"vectors:{path}{part}")
    path.unlink()


@fuzz_settings(200)
@given(data=mutated_bytes([*image_seeds(), text_bomb(70_000_000)]))
def test_images(data: bytes) -> None:
    try:
        picture = decode_in_subprocess(data, Preprocess(size=64, max_pixels=1_000_000), thumbnail=32)
    except Rejected:
        return
    assert picture.pixels.shape == (64, 64, 3)


@pytest.mark.parametrize("suffix", LIST_SEEDS)
@fuzz_settings(120)
@given(data=st.data())
def test_lists(inside: Path, suffix: str, data: st.DataObject) -> None:
    drain_bytes(inside, suffix, data.draw(mutated_bytes(LIST_SEEDS[suffix])))


@fuzz_settings(120)
@given(content=mutated_json(COCO_SEED), objects=st.booleans())
def test_coco(inside: Path, content: Any, objects: bool) -> None:
    drain_bytes(inside, ".json", json.dumps(content).encode(), f"::{inside}", objects=objects)


@fuzz_settings(120)
@given(data=mutated_bytes([json.dumps(COCO_SEED).encode()]))
def test_coco_that_is_hardly_json(inside: Path, data: bytes) -> None:
    drain_bytes(inside, ".json", data, f"::{inside}", objects=True)


@fuzz_settings(120)
@given(data=mutated_bytes(tar_seeds()))
def test_archives(inside: Path, data: bytes) -> None:
    drain_bytes(inside, ".tar", data)


@fuzz_settings(120)
@given(data=mutated_bytes(zip_seeds()))
def test_zip_archives(inside: Path, data: bytes) -> None:
    drain_bytes(inside, ".zip", data)


@fuzz_settings(120)
@given(data=mutated_bytes(parquet_seeds()))
def test_parquet(inside: Path, data: bytes) -> None:
    drain_bytes(inside, ".parquet", data)


@fuzz_settings(120)
@given(data=mutated_bytes(numpy_seeds()))
def test_numpy(inside: Path, data: bytes) -> None:
    drain_bytes(inside, ".npy", data)


@fuzz_settings(120)
@given(data=mutated_bytes(npz_seeds()))
def test_numpy_archives(inside: Path, data: bytes) -> None:
    drain_bytes(inside, ".npz", data)


def write_ome_zarr(inside: Path, metadata: Any) -> str:
    store = inside / f"{next(NUMBERS)}.zarr"
    (store / "0" / "c").mkdir(parents=True)
    (store / "zarr.json").write_text(json.dumps(metadata))
    (store / "0" / "zarr.json").write_text(json.dumps(ZARR_SEED))
    return str(store)


def test_the_seed_of_ome_zarr_is_valid(inside: Path) -> None:
    assert len(list(open_source("odd", write_ome_zarr(inside, OME_ZARR_SEED)).entries())) == ZARR_SEED["shape"][0]


@fuzz_settings(60)
@given(metadata=mutated_json(OME_ZARR_SEED))
def test_ome_zarr(inside: Path, metadata: Any) -> None:
    drain(write_ome_zarr(inside, metadata))


@fuzz_settings(120)
@given(metadata=mutated_json(ZARR_SEED))
def test_zarr(inside: Path, metadata: Any) -> None:
    store = inside / f"{next(NUMBERS)}.zarr"
    (store / "c" / "0" / "0" / "0").mkdir(parents=True)
    (store / "zarr.json").write_text(json.dumps(metadata))
    (store / "c" / "0" / "0" / "0" / "0").write_bytes(b"no chunk")
    drain(str(store))


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@fuzz_settings(100)
@given(data=st.data())
def test_weights(inside: Path, suffix: str, data: st.DataObject) -> None:
    path = inside / f"weights{suffix}"
    path.write_bytes(data.draw(mutated_bytes([weights_seeds()[suffix]])))
    try:
        state = read_state(path)
    except UserError:
        return
    assert all(tensor.numel() < 1_000_000 for tensor in state.values())
