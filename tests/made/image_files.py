"""A file for everything that people and accidents make of images, with the status that it must get."""

import io
import os
import struct
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pillow_heif
from PIL import Image, ImageCms

WIDTH, HEIGHT = 120, 90


def find_torture() -> Path | None:
    """The folder of image files that are odd, old, broken or hostile, from the Pillow project's own tests.

    It is no part of the repository: GAPSCOPE_TORTURE names it, or it lies in shared/data/torture beside the repository.
    """
    beside = [parent / "shared" / "data" / "torture" for parent in Path(__file__).resolve().parents]
    named = os.environ.get("GAPSCOPE_TORTURE")
    return next((folder for folder in ([Path(named)] if named else beside) if folder.is_dir()), None)


def scene(width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    """Colours that differ from place to place, so that what is turned or cut shows."""
    across, down = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([across, down, 255 - across], axis=2).astype(np.uint8))


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    """An image as the bytes of a file."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def turned(kind: str, orientation: int) -> bytes:
    """The scene, stored the way that its orientation tag undoes."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    return encoded(scene().transpose(Image.Transpose(undo[orientation])), kind, exif=exif, quality=95)


def readable() -> dict[str, bytes]:
    """Files that must be read, by name."""
    image = scene()
    alpha = image.copy()
    alpha.putalpha(Image.fromarray(np.full((HEIGHT, WIDTH), 200, np.uint8)))
    deep = np.linspace(0, 65535, WIDTH * HEIGHT).reshape(HEIGHT, WIDTH)
    frames = [image, image.transpose(Image.Transpose.ROTATE_180)]
    animated = {"save_all": True, "append_images": frames[1:]}
    ink = encoded(image.convert("CMYK"), "JPEG")
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    heic = io.BytesIO()
    pillow_heif.from_pillow(image).save(heic, quality=90)
    files = {
        "plain.jpg": encoded(image, "JPEG"),
        "UPPER.JPEG": encoded(image, "JPEG"),
        "progressive.jpg": encoded(image, "JPEG", progressive=True),
        "cmyk.jpg": ink,
        # Adobe's marker says how four colours were turned: 0 for ink as it is, 2 for ink turned into YCCK.
        "ycck.jpg": ink.replace(b"Adobe\0d\0\0\0\0\0", b"Adobe\0d\0\0\0\0\2"),
        "gray.jpg": encoded(image.convert("L"), "JPEG"),
        "profile.jpg": encoded(image, "JPEG", icc_profile=srgb),
        **{f"turned-{number}.jpg": turned("JPEG", number) for number in range(2, 9)},
        "stereo.mpo": encoded(image, "MPO", **animated),
        "plain.png": encoded(image, "PNG"),
        "palette.png": encoded(image.convert("P"), "PNG"),
        "clear-palette.png": encoded(image.convert("P"), "PNG", transparency=3),
        "sixteen.png": encoded(Image.fromarray(deep.astype(np.uint16)), "PNG"),
        "alpha.png": encoded(alpha, "PNG"),
        "gray-alpha.png": encoded(alpha.convert("LA"), "PNG"),
        "bits.png": encoded(image.convert("1"), "PNG"),
        "animated.png": encoded(image, "PNG", **animated),
        "animated.gif": encoded(image, "GIF", **animated),
        "animated.webp": encoded(image, "WEBP", **animated),
        "plain.webp": encoded(image, "WEBP"),
        "sixteen.tif": encoded(Image.fromarray(deep.astype(np.uint16)), "TIFF"),
        "float.tiff": encoded(Image.fromarray((deep / 65535).astype(np.float32)), "TIFF"),
        "plain.bmp": encoded(image, "BMP"),
        "plain.jp2": encoded(image, "JPEG2000"),
        "plain.avif": encoded(image, "AVIF"),
        "telephone.heic": heic.getvalue(),
        "png-that-says-jpg.jpg": encoded(image, "PNG"),
    }
    assert files["ycck.jpg"] != ink
    return files


def bomb(side: int) -> bytes:
    """A PNG of `side` x `side` white pixels, one bit each, that packs to next to nothing."""
    packer = zlib.compressobj(1)
    row = b"\0" + b"\xff" * ((side + 7) // 8)
    packed = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)), (b"IDAT", packed), (b"IEND", b"")]
    checked = b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + checked


def write_locked(path: Path, data: bytes) -> None:
    """Write a file that nobody may read."""
    path.write_bytes(data)
    path.chmod(0)


def write_files(folder: Path) -> dict[str, str]:
    """Write every readable file into `folder`, and beside them whatever cannot be read.

    Returns:
        Name as listed, and the status that it must get.
    """
    folder.mkdir(parents=True, exist_ok=True)
    whole = readable()
    for name, data in whole.items():
        (folder / name).write_bytes(data)
    large = encoded(scene(400, 300), "JPEG", quality=95)
    broken: dict[str, tuple[str, Callable[[Path], object]]] = {
        "cut.jpg": ("broken", lambda path: path.write_bytes(large[: len(large) // 2])),
        "cut.png": ("broken", lambda path: path.write_bytes(whole["plain.png"][:-40])),
        "empty.png": ("empty", lambda path: path.touch()),
        "words.png": ("not-an-image", lambda path: path.write_text("no image at all")),
        "unread.jxl": ("not-an-image", lambda path: path.write_bytes(b"\xff\x0a" + b"x" * 90)),
        "folder.jpg": ("not-a-file", lambda path: path.mkdir()),
        "pipe.png": ("not-a-file", os.mkfifo),
        "dangling.png": ("missing", lambda path: path.symlink_to(folder / "nowhere.png")),
        "circle.png": ("missing", lambda path: path.symlink_to(path)),
        "bomb.png": ("too-large", lambda path: path.write_bytes(bomb(50_000))),
        "locked.png": ("no-permission", lambda path: write_locked(path, whole["plain.png"])),
        "crash.png": ("crashed", lambda path: path.write_bytes(b"CRASH" * 20)),
    }
    for name, (_, write) in broken.items():
        write(folder / name)
    (folder / "locked").mkdir()
    (folder / "locked" / "inside.png").write_bytes(whole["plain.png"])
    (folder / "locked").chmod(0)
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff\xfe.png")).write_bytes(whole["plain.png"])
    return {
        **dict.fromkeys(whole, "ok"),
        **{name: status for name, (status, _) in broken.items()},
        "locked": "no-permission",
        "\\xff\\xfe.png": "bad-name",
    }


def write_shards(folder: Path) -> dict[str, str]:
    """Write two tar archives into `folder`: one with names that lead out of it, one that is cut off.

    Returns:
        Member as listed, and the status that it must get.
    """
    folder.mkdir(parents=True, exist_ok=True)
    data = encoded(scene(), "JPEG")

    def add(archive: tarfile.TarFile, name: str) -> None:
        member = tarfile.TarInfo(name)
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))

    with tarfile.open(folder / "shard-000.tar", "w") as archive:
        for name in ("one.jpg", "/etc/rooted.jpg", "../outside.jpg", "a/../../b.jpg", "two.jpg", "two.json"):
            add(archive, name)
        link = tarfile.TarInfo("link.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    with tarfile.open(folder / "shard-001.tar", "w") as archive:
        for name in ("three.jpg", "four.jpg"):
            add(archive, name)
    path, padded = folder / "shard-001.tar", -(-len(data) // 512) * 512
    path.write_bytes(path.read_bytes()[: 2 * 512 + padded + len(data) - 100])
    return {
        "one.jpg": "ok",
        "/etc/rooted.jpg": "bad-name",
        "../outside.jpg": "bad-name",
        "a/../../b.jpg": "bad-name",
        "two.jpg": "ok",
        "link.jpg": "not-a-file",
        "three.jpg": "ok",
        "four.jpg": "broken",
    }
