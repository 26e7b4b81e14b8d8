from pathlib import Path

import numpy as np
from PIL import Image

import gapscope
from gapscope.decode.children import decode_in_subprocess
from gapscope.settings import Preprocess
from gapscope.store.thumbnails import is_kept, read_thumbnails, share_kept


def test_a_run_keeps_a_small_picture_of_every_image_it_read(small_run: gapscope.Run) -> None:
    index = small_run.index("real")
    found = read_thumbnails(small_run.store, "real", index["row"].to_numpy())
    assert sorted(found) == index["row"][index["status"] == "ok"].tolist()
    assert small_run.thumbnails("real", np.array([10**6])) == {}


def test_a_thumbnail_shows_the_whole_image_and_leaves_what_the_network_sees_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "wide.png"
    picture = np.zeros((400, 1200, 3), np.uint8)
    picture[:, :400] = (255, 0, 0)
    picture[:, 800:] = (0, 0, 255)
    Image.fromarray(picture).save(path)
    with_one = decode_in_subprocess(path.read_bytes(), Preprocess(size=96), thumbnail=160)
    without = decode_in_subprocess(path.read_bytes(), Preprocess(size=96))
    assert without.thumbnail is None
    np.testing.assert_array_equal(with_one.pixels, without.pixels)
    small = with_one.thumbnail
    assert small is not None
    assert small.shape[1:] == (160, 3)
    assert small.shape[0] in (53, 54)
    assert small[25, 20].tolist() == [255, 0, 0]
    assert small[25, 140].tolist() == [0, 0, 255]


def test_of_a_large_dataset_the_thumbnails_kept_are_those_that_a_report_draws_first() -> None:
    assert share_kept(1000) == 1.0
    share = share_kept(10_000_000)
    uris = [f"/data/{at}.jpg" for at in range(20_000)]
    wanted = is_kept("real", uris, 0.25)
    assert abs(wanted.mean() - 0.25) < 0.02
    assert not (is_kept("real", uris, share) & ~wanted).any()
    assert not is_kept("real", uris, 0.0).any()
