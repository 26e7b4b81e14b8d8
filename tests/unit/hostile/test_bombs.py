"""Small files that claim, or unpack to, very much; and files that would run something."""

import os
import pickle
import resource
import struct
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fuzz_seeds import text_bomb
from image_files import encode_image, gradient_image, png_bomb
from PIL import Image
from typer.testing import CliRunner

from gapscope.decode.children import decode_in_subprocess
from gapscope.errors import SourceError, WeightsError
from gapscope.progress import plain_line
from gapscope.pyramid.models import find_model
from gapscope.pyramid.weights import read_state
from gapscope.settings import Preprocess
from gapscope.sources import open_source
from gapscope.sources.files import MAX_IMAGE_BYTES
from gapscope.sources.formats import IMAGE_SUFFIXES
from gapscope.sources.rejects import Rejected
from gapscope_cli.main import app

PREPROCESS = Preprocess(size=64, max_pixels=1_000_000)
LAUGHS = "".join(f'<!ENTITY l{level + 1} "{f"&l{level};" * 10}">' for level in range(12))


def ico_bomb() -> bytes:
    """An icon that says 16 x 16 and holds 20,000 x 20,000."""
    inside = png_bomb(20_000)
    return b"\0\0\1\0\1\0" + struct.pack("<BBBBHHII", 16, 16, 0, 0, 1, 32, len(inside), 22) + inside


def gif_bomb() -> bytes:
    """An animation whose frame is larger than its screen."""
    small = encode_image(Image.new("P", (10, 10)), "GIF")
    offset = small.index(b"\x2c")
    return small[: offset + 5] + struct.pack("<HH", 65_000, 65_000) + small[offset + 9 :]


def long_animation() -> bytes:
    frames = [Image.new("P", (300, 300), color % 255) for color in range(400)]
    return encode_image(frames[0], "GIF", save_all=True, append_images=frames[1:])


BOMBS = {
    "pixels": (png_bomb(50_000), "too-large"),
    "text": (text_bomb(200_000_000), "broken"),
    "icon": (ico_bomb(), "too-large"),
    "frame": (gif_bomb(), "too-large"),
    "claim": (
        b"BM" + struct.pack("<IHHIIiiHHIIiiII", 0, 0, 0, 54, 40, 30_000, 30_000, 1, 24, 0, 0, 0, 0, 0, 0),
        "too-large",
    ),
    "laughs": (
        f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY l0 "ha">{LAUGHS}]><svg><text>&l12;</text></svg>'.encode(),
        "not-an-image",
    ),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/tmp/mark) (w) file\n", "not-an-image"),
}


@pytest.mark.parametrize(("data", "status"), BOMBS.values(), ids=BOMBS)
def test_a_bomb_is_a_rejected_row(data: bytes, status: str) -> None:
    with pytest.raises(Rejected) as caught:
        decode_in_subprocess(data, PREPROCESS)
    assert caught.value.status == status
    # Decoders are the largest of this process's children.
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 4_000_000


def test_of_a_long_animation_the_first_frame_is_read() -> None:
    assert decode_in_subprocess(long_animation(), PREPROCESS).width == 300


def test_svg_is_no_format_of_ours() -> None:
    assert ".svg" not in IMAGE_SUFFIXES


def read_statuses(location: Path) -> dict[str, str]:
    """The status of everything that a source lists, by the end of its uri."""
    source = open_source("odd", str(location))
    statuses = {}
    for entry in source.entries():
        status: str = entry.status
        if status == "listed":
            try:
                source.read(entry)
            except Rejected as rejected:
                status = rejected.status
        statuses[entry.uri.rpartition("::")[2].rpartition("/")[2]] = status
    return statuses


def test_members_that_claim_much_or_lead_elsewhere_are_rejected_rows(tmp_path: Path) -> None:
    def add(archive: tarfile.TarFile, name: str, **attributes: Any) -> None:
        member = tarfile.TarInfo(name)
        for attribute, value in attributes.items():
            setattr(member, attribute, value)
        archive.addfile(member)

    path = tmp_path / "odd.tar"
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as archive:
        add(archive, "link.png", type=tarfile.SYMTYPE, linkname="/etc/passwd")
        add(archive, "hard.png", type=tarfile.LNKTYPE, linkname="../../etc/passwd")
        add(archive, "device.png", type=tarfile.CHRTYPE, devmajor=1, devminor=5)
        add(archive, "sparse.png", type=tarfile.GNUTYPE_SPARSE)
        add(archive, "good.png")
        # The header alone, and nothing of the terabyte behind it.
        huge = tarfile.TarInfo("huge.png")
        huge.size = 2**40
        assert archive.fileobj is not None
        archive.fileobj.write(huge.tobuf(tarfile.GNU_FORMAT))
    statuses = read_statuses(path)
    assert statuses.pop("good.png") == "listed"
    assert set(statuses.values()) <= {"not-a-file", "broken"}
    assert {"link.png", "hard.png", "device.png", "huge.png"} <= set(statuses)


def test_a_file_with_holes_is_not_read_into_memory(tmp_path: Path) -> None:
    for name in ("large.png", "small.png"):
        (tmp_path / name).touch()
    os.truncate(tmp_path / "large.png", 2**40)
    assert read_statuses(tmp_path) == {"large.png": "too-large", "small.png": "listed"}
    assert MAX_IMAGE_BYTES < 2**40


def test_compressed_archives_are_not_unpacked(tmp_path: Path) -> None:
    (tmp_path / "bomb.tar.gz").write_bytes(b"\x1f\x8b")
    with pytest.raises(SourceError, match="compressed archive"):
        open_source("odd", str(tmp_path / "bomb.tar.gz"))


@pytest.mark.parametrize("rows", [10**12, -1])
def test_an_array_that_claims_more_rows_than_it_holds_is_refused(tmp_path: Path, rows: int) -> None:
    path = tmp_path / "odd.npy"
    with path.open("wb") as file:
        head = {"descr": "|u1", "fortran_order": False, "shape": (rows, 4, 4, 3)}
        np.lib.format.write_array_header_1_0(file, head)
    with pytest.raises(SourceError, match=r"odd\.npy"):
        open_source("odd", str(path))


ELSEWHERE = [
    "reference://x",
    "reference::http://h/x.json",
    "ssh://h/x.png",
    "filecache::memory://x",
    "github://a:b@c/x",
    "dask://x",
    "zip://x.png::/etc/passwd",
    "local:///etc/passwd",
    "jupyter://h/x",
]


@pytest.mark.parametrize("name", ELSEWHERE)
def test_a_list_opens_storage_and_nothing_else(tmp_path: Path, name: str) -> None:
    (tmp_path / "list.txt").write_text(name + "\n")
    source = open_source("odd", str(tmp_path / "list.txt"))
    (entry,) = source.entries()
    if entry.status == "listed":
        with pytest.raises(Rejected, match="not a URL of storage"):
            source.read(entry)


def test_a_file_url_is_the_file_itself(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"some bytes")
    (tmp_path / "list.txt").write_text(f"file://{tmp_path}/a.png\n")
    source = open_source("odd", str(tmp_path / "list.txt"))
    (entry,) = source.entries()
    assert (entry.uri, source.read(entry)) == (str(tmp_path / "a.png"), b"some bytes")


class Payload:
    """Makes a folder when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.mark),))


@pytest.mark.parametrize("name", ["bare.pth", "saved.pth", "inside.pth", "jit.pt", "remap_state_dict.safetensors"])
def test_weights_that_carry_code_end_the_command_and_are_not_run(tmp_path: Path, name: str) -> None:
    evil, path = Payload(tmp_path / "mark"), tmp_path / name
    if name == "saved.pth":
        torch.save(evil, path)
    elif name == "inside.pth":
        torch.save({"state_dict": {"a": torch.zeros(1), "b": evil}}, path)
    elif name == "jit.pt":
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("x/constants.pkl", pickle.dumps(evil))
            file.writestr("x/data.pkl", pickle.dumps(evil))
    else:
        path.write_bytes(pickle.dumps(evil))
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "1.png").write_bytes(encode_image(gradient_image(), "PNG"))
    args = ["compare", f"a={tmp_path}/a", f"b={tmp_path}/b", "--out", str(tmp_path / "run"), "--model", "bundled"]
    result = CliRunner().invoke(app, [*args, "--weights", str(path)])
    assert result.exit_code == 2
    assert result.stderr.startswith(f"gapscope: --weights {path}: ")
    assert not (tmp_path / "mark").exists()
    assert not (tmp_path / "run").exists()


ODD_TENSORS = {
    "none": lambda tensor: torch.empty(tensor.shape, device="meta"),
    "sparse": lambda tensor: tensor.to_sparse(),
    "complex": lambda tensor: tensor.to(torch.complex64),
    "huge": lambda tensor: torch.zeros(1).expand(10**9, 10**3),
}


@pytest.mark.parametrize("odd", ODD_TENSORS.values(), ids=ODD_TENSORS)
def test_tensors_that_are_no_plain_numbers_are_refused(tmp_path: Path, odd: Any) -> None:
    state = read_state(find_model("bundled").weights())
    name = next(iter(state))
    torch.save(state | {name: odd(state[name])}, tmp_path / "odd.pth")
    args = ["compare", f"a={tmp_path}", f"b={tmp_path}", "--out", str(tmp_path / "run"), "--model", "bundled"]
    result = CliRunner().invoke(app, [*args, "--weights", str(tmp_path / "odd.pth")])
    assert result.exit_code == 2
    assert "--weights" in result.stderr


def test_weights_are_not_unpacked(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(10)}, tmp_path / "plain.pth")
    with (
        zipfile.ZipFile(tmp_path / "plain.pth") as plain,
        zipfile.ZipFile(tmp_path / "packed.pth", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for name in plain.namelist():
            packed.writestr(name, plain.read(name) if not name.endswith("/0") else bytes(30_000_000))
    with pytest.raises(WeightsError, match="compressed"):
        read_state(tmp_path / "packed.pth")


def test_names_cannot_move_the_terminals_cursor() -> None:
    assert plain_line("a\x1b[2J\x07\u202eé\nb") == "a\\x1b[2J\\x07\\u202eé\\nb"
    result = CliRunner().invoke(app, ["report", "no\x1b[31mrun"])
    assert "\x1b" not in result.stderr
    assert "no\\x1b[31mrun" in result.stderr


def test_a_decoder_that_gets_nonsense_costs_one_image() -> None:
    with pytest.raises(Rejected):
        decode_in_subprocess(b"\x93NUMPY" + b"\xff" * 200, PREPROCESS)
    assert decode_in_subprocess(encode_image(gradient_image(), "PNG"), PREPROCESS).format == "PNG"
