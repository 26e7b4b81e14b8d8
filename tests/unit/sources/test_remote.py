"""Sources behind URLs: a real S3 server and a real web server on this machine, and memory."""

import io
import json
import pickle
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zarr
from s3_sessions import empty_bucket

from gapscope.errors import SourceError
from gapscope.sources import Entry, Source, files, open_source
from gapscope.sources.rejects import Rejected
from gapscope.sources.remote_listing import files_below
from gapscope.stages.listing import check_not_empty

Picture = Callable[[int], bytes]


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The URL of an empty bucket of a server that speaks S3."""
    with empty_bucket() as url:
        yield url


def everything(folder: Path, picture: Picture) -> None:
    """One of each kind of source, with the same three images."""
    (folder / "photos" / "deep").mkdir(parents=True)
    paths = ["photos/a.png", "photos/b.jpg", "photos/deep/c.png"]
    for number, path in enumerate(paths):
        (folder / path).write_bytes(picture(number))
    (folder / "list.txt").write_text("\n".join(paths))
    (folder / "list.csv").write_text("path,city\n" + "".join(f"{path},Ulm\n" for path in paths))
    images = [{"id": number, "file_name": path} for number, path in enumerate(paths)]
    (folder / "coco.json").write_text(json.dumps({"images": images}))
    rows = [{"bytes": picture(number), "path": None} for number in range(3)]
    pq.write_table(pa.table({"image": rows}), folder / "images.parquet")
    with tarfile.open(folder / "shard-0.tar", "w") as archive:
        for path in paths:
            archive.add(folder / path, path)
    with zipfile.ZipFile(folder / "shard-0.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        for path in paths:
            packed.write(folder / path, path)
    np.save(folder / "images.npy", np.arange(3 * 6 * 8 * 3, dtype=np.uint8).reshape(3, 6, 8, 3))
    np.savez_compressed(folder / "images.npz", images=np.load(folder / "images.npy"))
    zarr.save_array(folder / "images.zarr", np.load(folder / "images.npy"))


KINDS = ["photos", "photos/*/*.png", "photos/**", "list.txt", "list.csv", "coco.json", "images.parquet"]
SHARDS = ["shard-{0..0}.tar", "shard-*.tar", "shard-0.zip"]
ARRAYS = ["images.npy", "images.npz", "images.zarr"]


def check(base: str, kind: str, picture: Picture) -> None:
    source: Source = pickle.loads(pickle.dumps(open_source("real", f"{base}/{kind}")))
    entries = list(source.entries())
    assert list(open_source("real", source.location).entries()) == entries
    data = [source.read(entry) for entry in entries]
    if kind in ARRAYS:
        images = [np.load(io.BytesIO(file)) for file in data]
        np.testing.assert_array_equal(images, np.arange(3 * 6 * 8 * 3, dtype=np.uint8).reshape(3, 6, 8, 3))
    else:
        assert data == ([picture(2)] if kind == "photos/*/*.png" else [picture(number) for number in range(3)])
    if kind == "list.csv":
        assert [entry.values for entry in entries] == [{"city": "Ulm"}] * 3


@pytest.mark.parametrize("kind", KINDS + SHARDS + ARRAYS)
def test_every_kind_is_read_from_s3(s3: str, tmp_path: Path, picture: Picture, kind: str) -> None:
    everything(tmp_path, picture)
    url = f"{s3}/{abs(hash(kind))}"
    fsspec.filesystem("s3").put(f"{tmp_path}/", url, recursive=True)
    check(url, kind, picture)


@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS + SHARDS + ARRAYS if "*" not in kind and kind != "images.zarr"]
)
def test_every_kind_that_http_can_list_is_read_from_a_web_server(
    web: str, tmp_path: Path, picture: Picture, kind: str
) -> None:
    everything(tmp_path, picture)
    check(web, kind, picture)


@pytest.mark.parametrize("kind", KINDS + SHARDS + ARRAYS)
def test_every_kind_is_read_from_memory(tmp_path: Path, picture: Picture, kind: str) -> None:
    everything(tmp_path, picture)
    fsspec.filesystem("memory").put(f"{tmp_path}/", f"/{tmp_path.name}", recursive=True)
    check(f"memory://{tmp_path.name}", kind, picture)


def test_a_list_on_this_machine_may_name_urls(s3: str, web: str, tmp_path: Path, picture: Picture) -> None:
    (tmp_path / "a.png").write_bytes(picture(4))
    fsspec.filesystem("s3").put(f"{tmp_path}/a.png", f"{s3}/one.png")
    (tmp_path / "list.txt").write_text(f"{web}/a.png\n{s3}/one.png\na.png\n{web}/gone.png\n{s3}/gone.png\n")
    source = open_source("real", f"{tmp_path}/list.txt")
    entries = list(source.entries())
    assert [source.read(entry) for entry in entries[:3]] == [picture(4)] * 3
    for entry in entries[3:]:
        with pytest.raises(Rejected) as caught:
            source.read(entry)
        assert caught.value.status == "missing"


@pytest.mark.parametrize(
    "location", ["s3://no-such-bucket/photos", "{web}/nowhere", "{web}/none.csv", "{s3}/none.json"]
)
def test_what_is_not_there_is_one_line(s3: str, web: str, location: str) -> None:
    with pytest.raises(SourceError) as caught:
        check_not_empty("real", open_source("real", location.format(web=web, s3=s3)))
    assert "\n" not in str(caught.value)


def test_a_server_that_is_busy_for_a_while_is_asked_again(
    web: str, tmp_path: Path, picture: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.png").write_bytes(picture(5))
    (tmp_path / "a.txt").write_text("a.png\n")
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    busy = iter([OSError("503"), TimeoutError("late"), None, *[OSError("down")] * 9])
    cat = files._cat

    def sometimes(url: str) -> Any:
        error = next(busy)
        if error is not None:
            raise error
        return cat(url)

    monkeypatch.setattr(files, "_cat", sometimes)
    source = open_source("real", f"{web}/a.txt")
    assert source.read(Entry(f"{web}/a.png")) == picture(5)
    assert len(waited) == 2
    with pytest.raises(Rejected, match="down") as caught:
        source.read(Entry(f"{web}/a.png"))
    assert caught.value.status == "unreadable"


def test_a_server_that_is_not_there_is_told_from_an_empty_folder(web: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").touch()
    for location, message in (
        ("http://127.0.0.1:9/photos", "dataset real: .* cannot be listed"),
        (f"{web}/notes/", "dataset real: there are no images in"),
        (f"images:{web}/notes/", f"dataset real: there are no images in {web}/notes/; passed over: "),
    ):
        with pytest.raises(SourceError, match=message):
            check_not_empty("real", open_source("real", location))


_KEYS = [
    f"{folder}{name}"
    for folder in ("", "a/", "a/b/", "a-b/", "a.b/", "a/b/c/d/", "z/", "Ä/")
    for name in ("1.png", "a.png", "a-1.png", "a.b.png", "b", "é.png")
]


@pytest.mark.parametrize("at_a_time", [1, 7, 1000])
def test_a_bucket_is_listed_page_by_page_in_the_order_of_all_names(
    s3: str, at_a_time: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    fs = fsspec.filesystem("s3")
    root = f"{s3.removeprefix('s3://')}/pages{at_a_time}"
    keys = [f"{root}/{key}" for key in (*_KEYS, "a//two.png", "/three.png")]
    fs.pipe(dict.fromkeys((*keys, f"{root}/a/"), b"x"))
    ask, requests = fs.call_s3, []

    def few(method: str, **options: Any) -> Any:
        requests.append(options["Prefix"])
        return ask(method, MaxKeys=at_a_time, **options)

    monkeypatch.setattr(fs, "call_s3", few)
    assert [path for path, _ in files_below(fs, root)] == sorted(keys)
    listing = files_below(fs, root)
    requests.clear()
    assert next(listing)[0] == min(keys)
    listing.close()
    assert len(requests) <= 2 + len({key.split("/")[0] for key in _KEYS})


def test_a_folder_in_memory_is_listed_in_the_order_of_all_names() -> None:
    fs = fsspec.filesystem("memory")
    # There a file cannot have the name of a folder.
    keys = [f"/ordered/{key}" for key in _KEYS if not key.endswith("b")]
    fs.pipe(dict.fromkeys(keys, b"x"))
    assert [path for path, _ in files_below(fs, "/ordered")] == sorted(keys)
    fs.rm("/ordered", recursive=True)
    with pytest.raises(FileNotFoundError):
        next(files_below(fs, "/ordered"))
