"""Fake runs that can be held against each other, with thumbnails."""

from pathlib import Path

from fake_run import FakeRunSpec, write_fake_run

from gapscope.run import Run, open_run
from gapscope.store.metrics import write_metrics
from gapscope.store.run_record import ScalerRecord
from gapscope.store.thumbnails import write_thumbnails

JPEG = b"\xff\xd8\xff\xe0 that no test decodes"
IMAGES = {"real": ["1.png", "2.png", "3.png"], "synthetic": ["1.png", "2.png"]}
LEVELS = ("P2", "P4")


def write_fake_version(folder: Path, *, kinds: bool, kid: float = 0.5) -> Run:
    """Write a version of a comparison of `IMAGES`, with the kinds of `fake_run` or without any.

    Args:
        folder: which is made, for the run and its images.
        kinds: whether it has kinds.
        kid: its kernel distance as it is at the first of `LEVELS`, with an interval of 0.02 to either side.
    """
    folder.mkdir(parents=True)
    run = write_fake_run(folder, FakeRunSpec(images=IMAGES, levels=LEVELS, measured=True, kinds=kinds))
    run.record.scaler = {level: ScalerRecord(mean=[0.0] * 8, std=[1.0] * 8) for level in LEVELS}
    run.store.write_record()
    for pair in run.metrics["levels"][LEVELS[0]]["pairs"].values():
        pair["measures"]["kid"] |= {"value": kid, "low": kid - 0.02, "high": kid + 0.02}
    write_metrics(run.path, run.metrics)
    for name, files in IMAGES.items():
        write_thumbnails(run.store, name, 0, dict.fromkeys(range(len(files)), JPEG))
    return open_run(run.path)
