"""Datasets on the Hugging Face hub, served by a hub on this machine."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fake_hub import fake_hub
from huggingface_hub import HfFileSystem

from gapscope import SourceError
from gapscope.sources import open_source
from gapscope.sources.notes import ListingNotes
from gapscope.sources.vectors.dataset import vectors_of


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose folders are datasets of the hub's user `me`."""
    with fake_hub(tmp_path) as address:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
        template = f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr("huggingface_hub.file_download.HUGGINGFACE_CO_URL_TEMPLATE", template, raising=False)
        HfFileSystem.clear_instance_cache()
        yield tmp_path
    HfFileSystem.clear_instance_cache()


def write_parts(folder: Path) -> None:
    folder.mkdir(parents=True)
    for part in range(2):
        images = [{"bytes": b"\xff\xd8\xff" + bytes([part, row]), "path": f"{row}.jpg"} for row in range(5)]
        clip = pa.FixedSizeListArray.from_arrays(pa.array(np.full(20, part, np.float32)), 4)
        pq.write_table(pa.table({"image": images, "clip": clip}), folder / f"train-{part}.parquet")


def test_a_dataset_is_the_images_of_its_parquet_files(hub: Path) -> None:
    write_parts(hub / "cats" / "data")
    (hub / "cats" / "README.md").write_text("cats")
    for url in ("hf://datasets/me/cats", "hf://datasets/me/cats::image", "hf://datasets/me/cats/data/"):
        source, notes = open_source("real", url), ListingNotes()
        entries = list(source.entries(notes))
        assert len(entries) == 10
        assert source.read(entries[7]) == b"\xff\xd8\xff" + bytes([1, 2])
        assert "2 Parquet files" in notes.describe()
    assert list(vectors_of(open_source("real", "hf://datasets/me/cats::clip"))) == ["clip"]


def test_a_dataset_of_image_files_is_a_folder_of_images(hub: Path) -> None:
    (hub / "dogs" / "train").mkdir(parents=True)
    for number in range(3):
        (hub / "dogs" / "train" / f"{number}.jpg").write_bytes(b"\xff\xd8\xff")
    source = open_source("real", "hf://datasets/me/dogs")
    entries = list(source.entries())
    assert [entry.uri.rpartition("/")[2] for entry in entries] == ["0.jpg", "1.jpg", "2.jpg"]
    assert source.read(entries[0]) == b"\xff\xd8\xff"


def test_what_is_not_on_the_hub_is_one_line(hub: Path) -> None:
    assert hub.exists()
    for url, message in {
        "hf://datasets/me/none": "no such dataset, or it is private and HF_TOKEN is not set",
        "hf://datasets/me": "write hf://datasets/USER/NAME",
    }.items():
        with pytest.raises(SourceError, match=message) as refused:
            open_source("real", url)
        assert "\n" not in str(refused.value)
