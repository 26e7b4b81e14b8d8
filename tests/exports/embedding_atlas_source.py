"""Loads an export as Embedding Atlas does, and writes its application without a server."""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from embedding_atlas.utils import load_pandas_data
from expected import expected_boxes


def main(folder: str) -> None:
    table = load_pandas_data(f"{folder}/images.parquet")
    assert set(table["uri"]) == set(expected_boxes(folder))
    assert all(picture["bytes"].startswith(b"\xff\xd8") for picture in table["image"])
    command = Path(sys.executable).with_name("embedding-atlas")
    with tempfile.TemporaryDirectory() as temporary:
        written = Path(temporary, "atlas.zip")
        options = ["--x", "P5_x", "--y", "P5_y", "--image", "image", "--disable-projection"]
        subprocess.run([command, f"{folder}/images.parquet", *options, "--export-application", written], check=True)
        with zipfile.ZipFile(written) as archive:
            assert any(name.endswith(".parquet") for name in archive.namelist())
    print(f"{len(table)} images, all as they are")


main(sys.argv[1])
