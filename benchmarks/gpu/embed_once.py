"""Embed a folder in a process that is watched or killed: `python -m gpu.embed_once RUN FOLDER DEVICE SIDE CLUSTER`."""

import sys
from pathlib import Path

from gpu.embedding import embed_files
from gpu.prove import end_with_parent
from gpu.stage import Setting
from networks import bundled_settings

from gapscope.device import choose_device

if __name__ == "__main__":
    end_with_parent()
    run, folder, device, side, cluster = sys.argv[1:]
    setting = Setting(device=choose_device(device), dry=False, images=None, scratch=Path(run).parent)
    embed_files(Path(run), Path(folder), bundled_settings(int(side)), setting, cluster)
