"""Embeds a folder, to be killed on the way: `python -m gpu.embed_once RUN FOLDER DEVICE SIDE`."""

import sys
from pathlib import Path

from gpu.embedding import bundled_settings, embed_files
from gpu.run import DEVICES
from gpu.stage import Setting

if __name__ == "__main__":
    run, folder, device, side = sys.argv[1:]
    setting = Setting(device=DEVICES[device](), dry=False, images=None, scratch=Path(run).parent)
    embed_files(Path(run), Path(folder), bundled_settings(int(side)), setting, "inline")
