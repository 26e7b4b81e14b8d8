import base64
import getpass
import json
import re
from dataclasses import replace
from pathlib import Path

import fake_run
import pytest
from typer.testing import CliRunner

from gapscope.report.names import Names, common_folder, relative_names
from gapscope.run import Run
from gapscope.sources import Entry
from gapscope.store.image_stats import ImageStats, merge_image_stats, write_image_stats
from gapscope.store.index import write_index
from gapscope.store.metrics import read_metrics, write_metrics
from gapscope_cli.main import app


def list_anew(run: Run, dataset: str, uris: list[str], **errors: str) -> None:
    values = [{"mask": f"/mnt/mask store/zenobia/{row % 2}.png", "flag": f"{row % 2}"} for row in range(len(uris))]
    entries = [Entry(uri, 1, 1, values=own) for uri, own in zip(uris, values, strict=True)]
    write_index(run.store, dataset, entries, {"mask": "text", "flag": "text"})
    stats: list[ImageStats] = [
        {"status": "broken", "error": errors["last"]}
        if errors and uri == uris[-1]
        else {"format": "PNG", "width": 48, "height": 36, "status": "ok", "error": ""}
        for uri in uris
    ]
    write_image_stats(run.store, dataset, 0, stats)
    merge_image_stats(run.store, dataset)


@pytest.mark.parametrize(
    ("location", "uris", "shown"),
    [
        ("/home/al ice/photos", ["/home/al ice/photos/a/1.png", "/home/al ice/photos/2.png"], ["a/1.png", "2.png"]),
        ("/data/photos/**/*.png", ["/data/photos/a/1.png", "/data/photos/a/2.png"], ["a/1.png", "a/2.png"]),
        ("/data/x.tar", ["/data/x.tar::a/1.png", "/data/x.tar::2.png"], ["x.tar::a/1.png", "x.tar::2.png"]),
        ("/data/x.parquet::image", ["/data/x.parquet#0", "/data/x.parquet#1"], ["x.parquet#0", "x.parquet#1"]),
        ("s3://bucket/a/", ["s3://bucket/a/b/1.png", "s3://bucket/a/2.png"], ["b/1.png", "2.png"]),
        ("/home/zenobia/l.csv", ["/home/zenobia/1.png", "/home/zenobia/p/1.png"], ["1.png", "p/1.png"]),
        # A list may name images of anywhere, and two of one name.
        ("/lists/l.csv", ["/home/zenobia/p/1.png", "/home/zenobia/q/1.png"], ["p/1.png", "q/1.png"]),
        ("/lists/l.csv", ["/home/zenobia/1.png", "/home/zoe/1.png"], ["elsewhere 1/1.png", "elsewhere 2/1.png"]),
        ("/lists/l.csv", ["/lists/1.png", "https://host/a/1.png"], ["1.png", "elsewhere 1/1.png"]),
        ("/l.csv", ["/1.png", "/home/2.png"], ["elsewhere 1/1.png", "elsewhere 2/2.png"]),
    ],
)
def test_images_are_named_within_their_dataset(location: str, uris: list[str], shown: list[str]) -> None:
    names = relative_names({"real": location}, {"real": uris})
    assert [names.image("real", uri) for uri in uris] == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2 images (.png 2) in /home/al ice/photos", "2 images (.png 2) in photos"),
        ("such as /home/al ice/photos/a b/1.png, and more", "such as a b/1.png, and more"),
        ("weights are out of reach: /opt/models/net.pth", "weights are out of reach: net.pth"),
        ("https://user.example/a/b.jpg: 404; s3://bucket: no", "b.jpg: 404; elsewhere no"),
        ("in /home/bob, ~carol/x.png and C:\\Users\\dave\\y.png", "in elsewhere, x.png and y.png"),
        ("error:/srv/x/z.png", "error:z.png"),
        ("1/2 of width/height, a and/or b, </b>, 12/31/2024", "1/2 of width/height, a and/or b, </b>, 12/31/2024"),
    ],
)
def test_texts_name_no_places(text: str, shown: str) -> None:
    names = relative_names({"real": "/home/al ice/photos"}, {"real": ["/home/al ice/photos/1.png"]})
    assert names.text(text) == shown
    assert Names().text(text) == text


def test_the_single_file_names_no_places(tmp_path: Path) -> None:
    """Whatever a run says of folders, users, hosts and buckets, the file for mailing holds none of it."""
    folder = tmp_path / "home" / "zenobia secret"
    images = {"real": ["a/1.png", "a/2.png", "3.png", "bad.png"], "synthetic": ["1.png", "2.png"]}
    spec = fake_run.FakeRunSpec(images=images, broken={"bad.png"}, kinds=True, measured=True)
    run = fake_run.write_fake_run(folder, spec)
    photos = folder / "images" / "real"
    uris = [str(photos / name) for name in sorted(images["real"])]
    list_anew(run, "real", uris, last=f"{photos}/bad.png: no decoder knows these bytes in /mnt/zenobia/cache")
    list_anew(run, "synthetic", ["s3://hidden-bucket/r/1.png", "s3://hidden-bucket/r/2.png"])
    record = run.store.record
    record.config.datasets["synthetic"] = "s3://hidden-bucket/r"
    record.datasets["real"].listing = f"4 images (.png 4) in {photos}; passed over: x (1, such as {photos}/.c/1.jpg)"
    record.model = replace(record.model, weights=f"{folder}/net.pth")
    run.store.write_record()
    metrics = read_metrics(run.store)
    metrics["datasets"]["real"]["warnings"] = [
        {"what": "black", "images": 1, "share": 0.5, "example": uris[0], "sentence": f"1 is black, such as {uris[0]}"}
    ]
    write_metrics(run.path, metrics)

    out = tmp_path / "mail" / "report.html"
    result = CliRunner().invoke(app, ["report", str(run.path), "--thumbnails", "off", "--single-file", str(out)])
    assert result.exit_code == 0, result.output
    mailed = everything_in(out.read_text(encoding="utf-8"))
    for place in (str(tmp_path), "zenobia", "hidden-bucket", "s3:", "/mnt", str(Path.home()), f"/{getpass.getuser()}/"):
        assert place not in mailed, place
    assert "a/1.png" in mailed
    facts = data_of(out.read_text(encoding="utf-8"), "facts")
    assert facts["paths"] is False
    assert facts["rejects"]["rows"] == [[0, "bad.png", "broken", "bad.png: no decoder knows these bytes in cache"]]
    assert ["real", "4 images (.png 4) in real; passed over: x (1, such as .c/1.jpg)"] in facts["provenance"][1][1]
    assert ["weights", "net.pth"] in dict(map(tuple, facts["provenance"]))["model"]
    # The report beside it keeps them.
    kept = (run.path / "report" / "data" / "images.js").read_text()
    assert json.dumps(f"{photos}/")[1:-1] in kept
    assert "s3://hidden-bucket/r/" in kept


def data_of(html: str, name: str) -> dict:  # type: ignore[type-arg]
    found = re.search(rf'<script type="application/json" id="inlined/{name}">(.*?)</script>', html, re.DOTALL)
    assert found is not None
    return json.loads(found[1])  # type: ignore[no-any-return]


def everything_in(html: str) -> str:
    """All of a file's text: as it stands, and what its JSON and its base64 hold."""
    data = re.findall(r'<script type="application/json" [^>]*>(.*?)</script>', html, re.DOTALL)
    parsed = [json.dumps(json.loads(text), ensure_ascii=False) for text in data]
    packed = re.findall(r"[A-Za-z0-9+/]{16,}", "\n".join(parsed))
    packed += re.findall(r'<script type="text/plain" [^>]*>(.*?)</script>', html, re.DOTALL)
    texts = [base64.b64decode(text[: len(text) // 4 * 4]).decode("latin-1") for text in packed]
    return "\n".join([html, *parsed, *texts])


@pytest.mark.parametrize(
    ("uris", "folder"),
    [
        ([], ""),
        (["/a/b/1.png"], "/a/b/"),
        (["/a/b/1.png", "/a/b/2.png"], "/a/b/"),
        (["/a/b1/x.png", "/a/b2/x.png"], "/a/"),
        (["/a/b.png", "/a/b.png.d/c.png"], "/a/"),
        (["x.png", "y.png"], ""),
        (["/x.png", "s3://y.png"], ""),
    ],
)
def test_file_names_are_shown_without_the_folder_they_share(uris: list[str], folder: str) -> None:
    assert common_folder(uris) == folder
