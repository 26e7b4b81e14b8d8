"""Image files of every supported kind, and broken or hostile ones, with the status that each must get."""

import io
import os
import struct
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import Image, ImageCms

WIDTH, HEIGHT = 120, 90


def find_torture_folder() -> Path | None:
    """Return the folder of odd, old, broken and hostile image files from the Pillow project's own tests, if it exists.

    It is not part of the repository: GAPSCOPE_TORTURE names it, or it is shared/data/torture next to the repository.
    """
    defaults = [parent / "shared" / "data" / "torture" for parent in Path(__file__).resolve().parents]
    configured = os.environ.get("GAPSCOPE_TORTURE")
    return next((folder for folder in ([Path(configured)] if configured else defaults) if folder.is_dir()), None)


def gradient_image(width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    """An image whose color differs at every position, so that tests notice a rotation or a crop."""
    across, down = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([across, down, 255 - across], axis=2).astype(np.uint8))


def encode_image(image: Image.Image, file_format: str, **options: object) -> bytes:
    """Return an image as the bytes of a file."""
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def encode_with_orientation(file_format: str, orientation: int) -> bytes:
    """Return the gradient image as a file, transposed such that its EXIF orientation undoes it."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    return encode_image(
        gradient_image().transpose(Image.Transpose(undo[orientation])), file_format, exif=exif, quality=95
    )


def readable_files() -> dict[str, bytes]:
    """Return files that must be read without an error, by name."""
    image = gradient_image()
    alpha = image.copy()
    alpha.putalpha(Image.fromarray(np.full((HEIGHT, WIDTH), 200, np.uint8)))
    deep = np.linspace(0, 65535, WIDTH * HEIGHT).reshape(HEIGHT, WIDTH)
    frames = [image, image.transpose(Image.Transpose.ROTATE_180)]
    animated = {"save_all": True, "append_images": frames[1:]}
    cmyk = encode_image(image.convert("CMYK"), "JPEG")
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    heic = io.BytesIO()
    pillow_heif.from_pillow(image).save(heic, quality=90)
    files = {
        "plain.jpg": encode_image(image, "JPEG"),
        "UPPER.JPEG": encode_image(image, "JPEG"),
        "progressive.jpg": encode_image(image, "JPEG", progressive=True),
        "cmyk.jpg": cmyk,
        # The color transform in Adobe's marker: 0 for plain CMYK, 2 for CMYK converted to YCCK.
        "ycck.jpg": cmyk.replace(b"Adobe\0d\0\0\0\0\0", b"Adobe\0d\0\0\0\0\2"),
        "gray.jpg": encode_image(image.convert("L"), "JPEG"),
        "profile.jpg": encode_image(image, "JPEG", icc_profile=srgb),
        **{f"turned-{number}.jpg": encode_with_orientation("JPEG", number) for number in range(2, 9)},
        "stereo.mpo": encode_image(image, "MPO", **animated),
        "plain.png": encode_image(image, "PNG"),
        "palette.png": encode_image(image.convert("P"), "PNG"),
        "clear-palette.png": encode_image(image.convert("P"), "PNG", transparency=3),
        "sixteen.png": encode_image(Image.fromarray(deep.astype(np.uint16)), "PNG"),
        "alpha.png": encode_image(alpha, "PNG"),
        "gray-alpha.png": encode_image(alpha.convert("LA"), "PNG"),
        "bits.png": encode_image(image.convert("1"), "PNG"),
        "animated.png": encode_image(image, "PNG", **animated),
        "animated.gif": encode_image(image, "GIF", **animated),
        "animated.webp": encode_image(image, "WEBP", **animated),
        "plain.webp": encode_image(image, "WEBP"),
        "sixteen.tif": encode_image(Image.fromarray(deep.astype(np.uint16)), "TIFF"),
        "float.tiff": encode_image(Image.fromarray((deep / 65535).astype(np.float32)), "TIFF"),
        "plain.bmp": encode_image(image, "BMP"),
        "plain.jp2": encode_image(image, "JPEG2000"),
        "plain.avif": encode_image(image, "AVIF"),
        "telephone.heic": heic.getvalue(),
        "png-that-says-jpg.jpg": encode_image(image, "PNG"),
    }
    assert files["ycck.jpg"] != cmyk
    return files


def png_bomb(side: int) -> bytes:
    """Return a small PNG file that decompresses to `side` x `side` white pixels of one bit each."""
    compressor = zlib.compressobj(1)
    row = b"\0" + b"\xff" * ((side + 7) // 8)
    compressed = b"".join(compressor.compress(row) for _ in range(side)) + compressor.flush()
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)), (b"IDAT", compressed), (b"IEND", b"")]
    with_checksums = b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + with_checksums


def write_unreadable(path: Path, data: bytes) -> None:
    """Write a file without any read permission."""
    path.write_bytes(data)
    path.chmod(0)


def write_image_files(folder: Path) -> dict[str, str]:
    """Write all readable files, and files that cannot be read, into `folder`.

    Returns:
        Name in the listing to the status that the image must get.
    """
    folder.mkdir(parents=True, exist_ok=True)
    readable = readable_files()
    for name, data in readable.items():
        (folder / name).write_bytes(data)
    large = encode_image(gradient_image(400, 300), "JPEG", quality=95)
    broken: dict[str, tuple[str, Callable[[Path], object]]] = {
        "cut.jpg": ("damaged", lambda path: path.write_bytes(large[: len(large) // 2])),
        "cut.png": ("broken", lambda path: path.write_bytes(readable["plain.png"][:-40])),
        "empty.png": ("empty", lambda path: path.touch()),
        "words.png": ("not-an-image", lambda path: path.write_text("no image at all")),
        "unread.jxl": ("not-an-image", lambda path: path.write_bytes(b"\xff\x0a" + b"x" * 90)),
        "folder.jpg": ("not-a-file", lambda path: path.mkdir()),
        "pipe.png": ("not-a-file", os.mkfifo),
        "dangling.png": ("missing", lambda path: path.symlink_to(folder / "nowhere.png")),
        "circle.png": ("missing", lambda path: path.symlink_to(path)),
        "bomb.png": ("too-large", lambda path: path.write_bytes(png_bomb(50_000))),
        "locked.png": ("no-permission", lambda path: write_unreadable(path, readable["plain.png"])),
        "crash.png": ("crashed", lambda path: path.write_bytes(b"CRASH" * 20)),
    }
    for name, (_, write) in broken.items():
        write(folder / name)
    (folder / "locked").mkdir()
    (folder / "locked" / "inside.png").write_bytes(readable["plain.png"])
    (folder / "locked").chmod(0)
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff\xfe.png")).write_bytes(readable["plain.png"])
    return {
        **dict.fromkeys(readable, "ok"),
        **{name: status for name, (status, _) in broken.items()},
        "locked": "no-permission",
        "\\xff\\xfe.png": "bad-name",
    }


def write_tar_shards(folder: Path) -> dict[str, str]:
    """Write two tar archives into `folder`: one whose members' names escape from it, and a truncated one.

    Returns:
        Member's name in the listing to the status that it must get.
    """
    folder.mkdir(parents=True, exist_ok=True)
    data = encode_image(gradient_image(), "JPEG")

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
    # Cut within the second member: two headers, the first member padded to whole blocks, most of the second.
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


def png16(values: NDArray[Any], significant_bits: int | None = None, transparent: Any = None) -> bytes:
    """Write a PNG of 16 bits per channel: gray, gray and alpha, RGB or RGBA; with every kind of row filter."""
    height, width, channels = (*values.shape, 1)[:3]
    color_type = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    raw = values.astype(">u2").reshape(height, -1).view(np.uint8).astype(int)
    lines, step = b"", 2 * channels
    before = np.zeros(raw.shape[1], int)
    for number, line in enumerate(raw):
        left = np.concatenate([np.zeros(step, int), line[:-step]])
        corner = np.concatenate([np.zeros(step, int), before[:-step]])
        distance = np.abs([before - corner, left - corner, left + before - 2 * corner])
        paeth = np.where(
            (distance[0] <= distance[1]) & (distance[0] <= distance[2]),
            left,
            np.where(distance[1] <= distance[2], before, corner),
        )
        filters = [0 * line, left, before, (left + before) // 2, paeth]
        lines += bytes([number % 5]) + ((line - filters[number % 5]) % 256).astype(np.uint8).tobytes()
        before = line

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    parts = [chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, color_type, 0, 0, 0))]
    if significant_bits is not None:
        parts.append(chunk(b"sBIT", bytes([significant_bits] * channels)))
    if transparent is not None:
        parts.append(chunk(b"tRNS", np.atleast_1d(np.array(transparent, ">u2")).tobytes()))
    return b"\x89PNG\r\n\x1a\n" + b"".join([*parts, chunk(b"IDAT", zlib.compress(lines)), chunk(b"IEND", b"")])
