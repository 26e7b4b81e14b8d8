"""Seeds for fuzzing: small valid files of every kind that gapscope parses, and strategies that mutate them."""

import gzip
import io
import json
import os
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import safetensors.torch
import torch
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from image_files import WIDTH, encode_image, gradient_image, readable_files
from PIL import Image

FUZZ_EXAMPLES = int(os.environ.get("GAPSCOPE_FUZZ", "0"))
"""Examples per test, different ones in each run, for long fuzzing; 0 for a few that are always the same."""

MAX_SEED_BYTES = 20_000
"""Larger files are no seeds: a mutation would rarely hit the header, which is parsed first."""


def fuzz_settings(examples: int) -> settings:
    """Return Hypothesis settings for that many examples, or for `FUZZ_EXAMPLES` if it is set."""
    return settings(
        max_examples=FUZZ_EXAMPLES or examples,
        derandomize=not FUZZ_EXAMPLES,
        suppress_health_check=list(HealthCheck),
        database=None,
    )


def image_seeds() -> list[bytes]:
    """Return image files of every format and pixel mode."""
    Image.init()
    seeds = [data for data in readable_files().values() if len(data) < MAX_SEED_BYTES]
    small = gradient_image(24, 18)
    for file_format in sorted(set(Image.SAVE) & set(Image.OPEN)):
        for mode in ("RGB", "L", "1", "P"):
            # Most formats support only some pixel modes.
            with suppress(OSError, ValueError, KeyError), warnings.catch_warnings(action="ignore"):
                seeds.append(encode_image(small.convert(mode), file_format))
    numpy_file = io.BytesIO()
    np.save(numpy_file, np.zeros((6, 5, 3), np.uint8))
    return [*seeds, numpy_file.getvalue()]


def numpy_seeds() -> list[bytes]:
    """Return .npy files of image arrays."""
    seeds = []
    for values in (np.zeros((3, 4, 5, 3), np.uint8), np.zeros((2, 4, 4), np.float32), np.zeros((2, 3, 3, 1), bool)):
        file = io.BytesIO()
        np.save(file, values)
        seeds.append(file.getvalue())
    return seeds


LIST_SEEDS = {
    ".csv": [
        b"path,weather,speed\na.png,rain,31.5\nb.png,,\n",
        b'image;x\n"a, b.png";"c\n d"\n',
        b"\xef\xbb\xbffile_name\r\na.png\r\n",
        b"=cmd|' /C calc'!A0,path\n1e400,\x1b[31mred.png\n",
    ],
    ".tsv": [b"uri\tn\n/etc/passwd\t1\n../../etc/shadow\tnan\n"],
    ".txt": [
        b"a.png\n# passed over\n\n  /etc/passwd \n~/x.png\n~nobody-of-that-name/x.png\n",
        b"reference::a\nfilecache::memory://x\nssh://h/x.png\nfile:///etc/passwd\nmemory://nowhere/x.png\n",
        '"a b\\c.png";1\r\n"C:\\x.png";2\r\n'.encode("utf-16"),
        gzip.compress(b"image|label\n'a.png'|1\n"),
    ],
    ".jsonl": [
        b'{"file_name": "a.png", "n": 1e999, "o": {"x": []}}\n{"file_name": "\\ud800\\u0000", "n": "x"}\n[1]\n',
    ],
}


COCO_SEED: dict[str, Any] = {
    "images": [{"id": 1, "file_name": "a.png", "width": 8, "height": 8}, {"id": "2", "file_name": "b/c.png"}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 3, "bbox": [1, 2, 3.5, 4], "area": 14.0, "iscrowd": 0},
        {"id": 2, "image_id": "2", "category_id": 3, "bbox": [0, 0, 1, 1], "iscrowd": 1},
    ],
    "categories": [{"id": 3, "name": "car"}],
}


def tar_seeds() -> list[bytes]:
    """Return tar archives with plain, long, sparse and linked members, in every format that tarfile writes."""
    seeds = []
    for tar_format in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w", format=tar_format) as archive:
            for name in ("a.png", "d" * 90 + "/é.jpg", "../b.png"):
                member = tarfile.TarInfo(name)
                member.size = 700
                archive.addfile(member, io.BytesIO(bytes(700)))
            for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE):
                link = tarfile.TarInfo("link.png")
                link.type, link.linkname = kind, "/etc/passwd"
                archive.addfile(link)
        seeds.append(file.getvalue()[:8192])
    return seeds


def zip_seeds() -> list[bytes]:
    """Return zip archives of every compression, with sizes before and after the data, and in the large format."""
    seeds = []
    for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", compression) as archive:
            for name in ("a.png", "d" * 90 + "/é.jpg", "../b.png"):
                with archive.open(name, "w", force_zip64=compression == zipfile.ZIP_DEFLATED) as member:
                    member.write(bytes(700))
        seeds.append(file.getvalue())
    return seeds


def npz_seeds() -> list[bytes]:
    """Return archives of arrays, packed and not."""
    seeds = []
    for save in (np.savez, np.savez_compressed):
        file = io.BytesIO()
        save(file, images=np.arange(240, dtype=np.uint8).reshape(3, 8, 10), labels=np.arange(3))
        seeds.append(file.getvalue())
    return seeds


def parquet_seeds() -> list[bytes]:
    """Return Parquet files of images in both forms, and of paths, with columns of many types."""
    image = b"\x89PNG\r\n\x1a\n"
    tables = [
        {"image": [image, b"", None], "t": pa.array([1, 2, None], pa.timestamp("ns")), "label": ["a", "b", None]},
        {"image": [{"bytes": image, "path": None}, {"bytes": None, "path": "../x.png"}, None], "n": [1, 2, 3]},
        {"image": [[{"bytes": image, "path": "a"}] * 3, [], None], "n": [1, 2, 3]},
        {"image": [[image, None], [], None], "n": pa.array(["a", "b", None]).dictionary_encode()},
        {"image": ["iVBORw0KGgo=", "data:image/png;base64,iVBORw0KGgo", None]},
        {"image": [{"bytes": None, "path": 7}, {"bytes": b"", "path": 8}]},
        {"image": [{"bytes": None, "path": "\0"}, {"bytes": b"", "path": "/etc/passwd"}]},
        {"path": ["a.png", "/etc/passwd", None], "n": pa.array([1, 2, 3], pa.decimal128(9)), "d": [True, False, None]},
    ]
    seeds = []
    for columns in tables:
        for compression in ("none", "zstd"):
            file = io.BytesIO()
            pq.write_table(pa.table(columns), file, compression=compression)
            seeds.append(file.getvalue())
    return seeds


def vector_seeds() -> dict[str, list[bytes]]:
    """Return files of vectors by suffix: arrays, archives of arrays, and tables in both Arrow formats and Parquet."""
    values = np.arange(30, dtype=np.float32).reshape(5, 6)
    lists = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), 6)
    columns = pa.table(
        {
            "path": ["a.png", "/etc/passwd", "\0", None, "a.png"],
            "clip": lists,
            "ragged": [[1.0], None, [], [2.0], [0.5, 1]],
        }
    )
    seeds: dict[str, list[bytes]] = {suffix: [] for suffix in (".npy", ".npz", ".parquet", ".arrow")}
    for array in (values, values.astype(np.float64), values.astype(np.float16)):
        file = io.BytesIO()
        np.save(file, array)
        seeds[".npy"].append(file.getvalue())
    for save in (np.savez, np.savez_compressed):
        file = io.BytesIO()
        save(file, clip=values, dino=values[:, :2])
        seeds[".npz"].append(file.getvalue())
    for table in (columns, columns.drop_columns("path")):
        file = io.BytesIO()
        pq.write_table(table, file)
        seeds[".parquet"].append(file.getvalue())
        for writer in (pa.ipc.new_file, pa.ipc.new_stream):
            file = io.BytesIO()
            with writer(file, table.schema) as sink:
                sink.write_table(table)
            seeds[".arrow"].append(file.getvalue())
    return seeds


def weights_seeds() -> dict[str, bytes]:
    """Return a state dict in both file formats, by suffix."""
    state = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.num_batches_tracked": torch.tensor(3)}
    file = io.BytesIO()
    torch.save({"state_dict": state}, file)
    return {".pth": file.getvalue(), ".safetensors": safetensors.torch.save(state)}


ZARR_SEED: dict[str, Any] = {
    "zarr_format": 3,
    "node_type": "array",
    "shape": [3, 4, 5, 3],
    "data_type": "uint8",
    "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [2, 4, 5, 3]}},
    "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
    "fill_value": 0,
    "codecs": [{"name": "bytes"}, {"name": "zstd", "configuration": {"level": 0, "checksum": False}}],
    "attributes": {"done": True},
    "storage_transformers": [],
}

OME_ZARR_SEED: dict[str, Any] = {
    "zarr_format": 3,
    "node_type": "group",
    "attributes": {
        "ome": {
            "version": "0.5",
            "multiscales": [
                {"axes": [{"name": "t"}, {"name": "c"}, {"name": "y"}, {"name": "x"}], "datasets": [{"path": "0"}]}
            ],
        }
    },
}


_ODD_NUMBERS = (0, -1, 1, 255, 2**15, 2**31 - 1, 2**31, 2**32, 2**53, 2**63 - 1, 2**64, 10**30)
_ODD_TEXTS = ("", "..", "../../outside", "/etc/passwd", "a/b", "\0", "\ud800", "\x1b[2J", "<script>", "x" * 5000, "NaN")

odd_values: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(_ODD_NUMBERS),
    st.floats(allow_nan=True),
    st.sampled_from(_ODD_TEXTS),
    st.text(max_size=20),
    st.just([]),
    st.just({}),
    st.lists(st.sampled_from(_ODD_NUMBERS), max_size=5),
    st.dictionaries(st.sampled_from(_ODD_TEXTS), st.sampled_from(_ODD_NUMBERS), max_size=3),
)


@st.composite
def mutated_bytes(draw: st.DrawFn, seeds: list[bytes]) -> bytes:
    """One of the seeds, with some bytes changed, removed, repeated or inserted, or the rest cut off."""
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(0, 6))):
        offset = draw(st.integers(0, max(0, len(data) - 1)))
        mutation = draw(st.sampled_from(("set", "number", "remove", "repeat", "cut", "insert")))
        if mutation == "set":
            data[offset : offset + 1] = bytes([draw(st.integers(0, 255))])
        elif mutation == "number":
            number = draw(st.sampled_from((0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)))
            data[offset : offset + 4] = number.to_bytes(4, draw(st.sampled_from(("little", "big"))))
        elif mutation == "remove":
            del data[offset : offset + draw(st.integers(1, 64))]
        elif mutation == "repeat":
            data[offset:offset] = data[offset : offset + draw(st.integers(1, 600))]
        elif mutation == "cut":
            del data[offset:]
        else:
            data[offset:offset] = draw(st.binary(max_size=16))
    return bytes(data)


@st.composite
def mutated_json(draw: st.DrawFn, seed: Any) -> Any:
    """The seed, with some of its values replaced by odd ones or removed."""
    value = json.loads(json.dumps(seed))
    for _ in range(draw(st.integers(1, 4))):
        items = list(_items(value))
        if not items:
            break
        container, key = draw(st.sampled_from(items))
        if draw(st.integers(0, 5)):
            container[key] = draw(odd_values)
        else:
            del container[key]
    return value


def _items(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every container within a JSON value, with each of its keys or indices."""
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in list(keys):
        yield value, key
        yield from _items(value[key])


def text_bomb(length: int) -> bytes:
    """Return a PNG file whose compressed text chunk decompresses to `length` bytes."""
    text = b"key\0\0" + zlib.compress(bytes(length), 9)
    chunk = len(text).to_bytes(4, "big") + b"zTXt" + text + zlib.crc32(b"zTXt" + text).to_bytes(4, "big")
    image = encode_image(gradient_image(WIDTH, 8), "PNG")
    return image[:33] + chunk + image[33:]
