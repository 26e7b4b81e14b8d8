import contextlib
import http.client
import io
import os
import shutil
import socket
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fake_run import FakeRunSpec, image_color, write_fake_run
from PIL import Image
from typer.testing import CliRunner

from gapscope.errors import OptionError, RunError
from gapscope.progress import Silent
from gapscope.report.serve import CONNECTIONS, ReportServer
from gapscope.run import Run, open_run
from gapscope.sources import Folder, Source
from gapscope.sources.archives.tar import Tar
from gapscope.sources.rejects import Rejected
from gapscope.stages.report import write_report
from gapscope.store.image_stats import ImageStats, merge_image_stats, write_image_stats
from gapscope.store.index import write_index
from gapscope_cli.main import app

Answer = tuple[int, dict[str, str], bytes]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run with a report, one of whose datasets is a tar archive, and one of whose images is no image."""
    folder = tmp_path_factory.mktemp("served")
    names = [f"{number}.png" for number in range(6)]
    fake = write_fake_run(
        folder, FakeRunSpec(images={"real": names, "packed": [*names, "bad.png"]}, broken={"bad.png"})
    )
    (folder / "secret.txt").write_text("secret")
    pack(fake, folder)
    write_report(fake.store, Silent())
    return open_run(fake.path)


def pack(run: Run, folder: Path) -> None:
    """Put the images of dataset `packed` into an archive."""
    images, archive = folder / "images" / "packed", folder / "packed.tar"
    with tarfile.open(archive, "w") as tar:
        for path in sorted(images.iterdir()):
            tar.add(path, arcname=path.name)
    list_anew(run, "packed", Tar((str(archive),), str(archive)))
    run.record.config.datasets["packed"] = str(archive)
    run.store.write_record()


def list_anew(run: Run, dataset: str, source: Source) -> None:
    columns = ["format", "width", "height", "status", "error"]
    stats = cast("list[ImageStats]", run.table(dataset).select(columns).to_pylist())
    write_index(run.store, dataset, source.entries())
    write_image_stats(run.store, dataset, 0, stats)
    merge_image_stats(run.store, dataset)


@pytest.fixture(scope="module")
def server(run: Run) -> Iterator[ReportServer]:
    with ReportServer(run.store) as started:
        thread = threading.Thread(target=started.serve_forever)
        thread.start()
        yield started
        started.shutdown()
        thread.join()


def ask(server: ReportServer, path: str, *, method: str = "GET", host: str | None = None) -> Answer:
    port = server.server_address[1]
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=30)
    # http.client would tidy the path; what is sent here is what is written here.
    connection.putrequest(method, path, skip_host=True)
    connection.putheader("Host", host or f"127.0.0.1:{port}")
    connection.endheaders()
    answer = connection.getresponse()
    response = (answer.status, dict(answer.getheaders()), answer.read())
    connection.close()
    return response


def test_the_page_and_its_files_are_served(server: ReportServer, run: Run) -> None:
    status, headers, page = ask(server, f"/{server.token}/")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert b'<meta name="gapscope-images" content="images">' in page
    for name in ("page.css", "data/facts.js", "tiles/large-0000.jpg"):
        assert ask(server, f"/{server.token}/{name}")[2] == (run.report.parent / name).read_bytes()
    status, headers, nothing = ask(server, f"/{server.token}/page.js", method="HEAD")
    assert (status, nothing) == (200, b"")
    assert int(headers["Content-Length"]) == (run.report.parent / "page.js").stat().st_size


@pytest.mark.parametrize(("number", "dataset"), [(0, "real"), (1, "packed")])
def test_images_come_from_their_sources(server: ReportServer, number: int, dataset: str) -> None:
    status, headers, data = ask(server, f"/{server.token}/images/{number}/3")
    assert (status, headers["Content-Type"], headers["X-Content-Type-Options"]) == (200, "image/png", "nosniff")
    with Image.open(io.BytesIO(data)) as picture:
        assert np.asarray(picture)[10, 10].tolist() == list(image_color(number, 3))


def test_what_browsers_do_not_read_is_encoded_anew(tmp_path: Path) -> None:
    fake = write_fake_run(tmp_path, FakeRunSpec(images={"a": ["1.tif", "2.tif"], "b": ["1.tif"]}))
    Image.new("RGB", (50, 30), (0, 0, 255)).save(tmp_path / "images" / "a" / "1.tif", "TIFF")
    (tmp_path / "images" / "a" / "2.tif").write_text("<script>alert(1)</script>")
    list_anew(fake, "a", Folder(str(tmp_path / "images" / "a")))
    write_report(fake.store, Silent())
    with ReportServer(fake.store) as server:
        kind, data = server.image(0, 0)
        assert kind == "image/jpeg"
        with Image.open(io.BytesIO(data)) as picture:
            assert picture.size[0] > picture.size[1]
            assert np.abs(np.asarray(picture, int)[5, 5] - (0, 0, 255)).max() < 12
        threading.Thread(target=server.serve_forever, daemon=True).start()
        status, headers, words = ask(server, f"/{server.token}/images/0/1")
        server.shutdown()
    assert (status, headers["Content-Type"]) == (404, "text/plain; charset=utf-8")
    assert b"script" not in words


TRAVERSALS = [
    "../run.json",
    "../../secret.txt",
    "%2e%2e/run.json",
    "..%2frun.json",
    "..%5crun.json",
    "%252e%252e/run.json",
    "/etc/passwd",
    "//etc/passwd",
    "data/../../run.json",
    "tiles/./large-0000.jpg/..",
    "data",
    "images/0/../../../run.json",
    "images/0/..%2f..%2frun.json",
    "images/0/-1",
    "images/0/99",
    "images/9/0",
    "images/0/1/2",
    "images/0/²",
    "images/1/6",
    "images/real/0.png",
    "index.html%00.js",
    "file:///etc/passwd",
    "[",
    "..%c0%af..%c0%afrun.json",
    "%c0%ae%c0%ae/run.json",
    "%e0%80%ae./run.json",
    "\\..\\run.json",
    "%25%32%65%25%32%65/run.json",
    "data/..;/run.json",
    "data%2ffacts.js%00",
    "%ff%fe",
    "images/%30/%2d1",
    "images/0/1%00",
    "images/0/99999999999999999999999999",
    "images/0/" + "9" * 5000,
]


@pytest.mark.parametrize("path", TRAVERSALS)
def test_nothing_but_the_report_and_its_images_can_be_had(server: ReportServer, path: str) -> None:
    with socket.create_connection(("127.0.0.1", int(server.server_address[1])), timeout=30) as raw:
        raw.sendall(f"GET /{server.token}/{path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        answer = b"".join(iter(lambda: raw.recv(65536), b""))
    assert answer.split(b"\r\n", 1)[0].split()[1] == b"404"
    assert b"secret.txt" not in answer
    assert b"root:" not in answer


@pytest.mark.parametrize("path", ["/", "/index.html", "/wrong/", "/{half}/index.html", "/images/0/0"])
def test_without_the_secret_nothing_is_shown(server: ReportServer, path: str) -> None:
    status, _, words = ask(server, path.format(half=server.token[:-1]))
    assert status == 403
    assert server.token.encode() not in words


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "a@[::1"])
def test_another_hosts_name_is_refused(server: ReportServer, host: str) -> None:
    assert ask(server, f"/{server.token}/", host=host or "-")[0] == 403


@pytest.mark.parametrize("host", ["localhost:8765", "127.0.0.1", "[::1]:80", "192.168.0.7:8765"])
def test_names_and_addresses_of_this_machine_are_answered(server: ReportServer, host: str) -> None:
    assert ask(server, f"/{server.token}/", host=host)[0] == 200


def test_it_listens_on_this_machine_alone_and_every_server_has_a_secret_of_its_own(
    server: ReportServer, run: Run
) -> None:
    assert server.server_address[0] == "127.0.0.1"
    with ReportServer(run.store) as other:
        assert other.token != server.token
        assert len(other.token) >= 24
    with pytest.raises(OptionError, match="choose another"):
        ReportServer(run.store, port=int(server.server_address[1]))


def test_a_run_without_a_report_is_one_line(tmp_path: Path) -> None:
    fake = write_fake_run(tmp_path, FakeRunSpec(images={"a": ["1.png"], "b": ["1.png"]}))
    with pytest.raises(RunError, match="gapscope report"):
        ReportServer(fake.store)
    result = CliRunner().invoke(app, ["serve", str(fake.path)])
    assert result.exit_code == 2
    assert "has no report" in result.stderr


def raw(server: ReportServer, sent: bytes) -> bytes:
    """What comes back for the very bytes of a request."""
    with socket.create_connection(("127.0.0.1", int(server.server_address[1])), timeout=30) as client:
        client.sendall(sent)
        return b"".join(iter(lambda: client.recv(65536), b""))


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get"])
def test_only_get_and_head_are_answered(server: ReportServer, method: str) -> None:
    status, headers, words = ask(server, f"/{server.token}/", method=method)
    assert (status, headers["Content-Type"]) == (501, "text/plain; charset=utf-8")
    assert server.token.encode() not in words


@pytest.mark.parametrize(
    "path",
    [
        "",
        "index.html",
        "page.js",
        "data/facts.js",
        "tiles/large-0000.jpg",
        "images/0/0",
        "images/1/6",
        "nothing",
        "../x",
    ],
)
def test_every_answer_carries_the_headers_that_protect_it(server: ReportServer, path: str) -> None:
    for token in (server.token, "wrong"):
        _, headers, _ = ask(server, f"/{token}/{path}")
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert not [name for name in headers if name.lower().startswith("access-control")]
        assert headers["Server"].strip() == "gapscope"


@pytest.mark.parametrize(
    "wanted", ["bytes=0-", "bytes=5-1", "bytes=99999999999999999999-", "bytes=" + "0-1," * 9000, "x"]
)
def test_a_range_is_answered_with_the_whole(server: ReportServer, run: Run, wanted: str) -> None:
    head = f"GET /{server.token}/page.css HTTP/1.0\r\nHost: localhost\r\nRange: {wanted}\r\n\r\n"
    answer = raw(server, head.encode())
    assert answer.split(b"\r\n", 1)[0].split()[1] == b"200"
    assert answer.endswith((run.report.parent / "page.css").read_bytes())


NONSENSE = {
    "line": (b"GET /" + b"a" * 70_000 + b" HTTP/1.0\r\n\r\n", b"414"),
    "header": (b"GET / HTTP/1.0\r\nX: " + b"a" * 70_000 + b"\r\n\r\n", b"431"),
    "headers": (b"GET / HTTP/1.0\r\n" + b"X: a\r\n" * 200 + b"\r\n", b"431"),
    "version": (b"GET / HTTP/99.9\r\n\r\n", b"505"),
    "old": (b"GET /\r\n\r\n", b"403"),
    "words": (b"<script>alert(1)</script> a b c\r\n\r\n", b"400"),
    "bytes": (bytes(range(128, 256)) + b"\r\n\r\n", b"400"),
}


@pytest.mark.parametrize(("sent", "status"), NONSENSE.values(), ids=NONSENSE)
def test_nonsense_is_refused(
    server: ReportServer, capfd: pytest.CaptureFixture[str], sent: bytes, status: bytes
) -> None:
    with contextlib.suppress(ConnectionResetError):
        answer = raw(server, sent)
        assert answer.split(b"\r\n", 1)[0].split()[1] == status
        assert b"text/plain" in answer
    # And the next one is answered as if nothing had been.
    assert ask(server, f"/{server.token}/")[0] == 200
    assert capfd.readouterr().err == ""


def test_a_thousand_at_once_are_all_answered_by_a_bounded_number_of_threads(server: ReportServer, run: Run) -> None:
    wanted = (run.report.parent / "data" / "facts.js").read_bytes()
    request = f"GET /{server.token}/data/facts.js HTTP/1.0\r\nHost: localhost\r\n\r\n".encode()
    before = threading.active_count()
    clients = [socket.create_connection(("127.0.0.1", int(server.server_address[1])), timeout=60) for _ in range(1000)]
    most = 0
    for client in clients:
        client.sendall(request)
        most = max(most, threading.active_count() - before)
    for client in clients:
        answer = b"".join(iter(lambda client=client: client.recv(65536), b""))  # type: ignore[misc]
        most = max(most, threading.active_count() - before)
        client.close()
        assert answer.endswith(wanted)
    assert most <= CONNECTIONS


def test_clients_that_do_not_finish_asking_do_not_keep_the_others_out(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gapscope.report.serve.CONNECTIONS", 4)
    monkeypatch.setattr("gapscope.report.serve.REQUEST_SECONDS", 0.2)
    with ReportServer(run.store) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1})
        thread.start()
        slow = [socket.create_connection(("127.0.0.1", int(server.server_address[1])), timeout=30) for _ in range(12)]
        for number, client in enumerate(slow):
            client.sendall(b"GET /"[: number % 6])
        assert ask(server, f"/{server.token}/")[0] == 200
        assert all(client.recv(65536) == b"" for client in slow)
        for client in slow:
            client.close()
        server.shutdown()
        thread.join()


@pytest.fixture
def copy(run: Run, tmp_path: Path) -> Run:
    """The run with its report, to meddle with."""
    shutil.copytree(str(run.path), tmp_path / "run")
    return open_run(tmp_path / "run")


@pytest.mark.parametrize("name", ["index.html", "page.js", "start.js"])
def test_a_page_that_is_not_gapscopes_own_is_not_shown(copy: Run, name: str) -> None:
    path = copy.report.parent / name
    path.write_text(path.read_text() + "<script>fetch('//evil.example/')</script>")
    with pytest.raises(RunError, match="gapscope report"):
        ReportServer(copy.store)


def test_data_that_does_anything_but_hand_over_a_text_is_not_shown(copy: Run) -> None:
    data = copy.report.parent / "data"
    whole = (data / "facts.js").read_text()
    evil = {
        "after": whole + "alert(1)",
        "inside": whole.replace('"));', '") + alert(1));'),
        "before": "alert(1);" + whole,
        "name": whole.replace('"facts"', '"facts" + alert(1)'),
        "wide": whole.replace('"facts"', '"f\u00e4cts"'),
    }
    for name, text in evil.items():
        (data / f"{name}.js").write_text(text)
    (data / "page.html").write_text("<script>alert(1)</script>")
    with ReportServer(copy.store) as server:
        assert server.file("data/facts.js") == whole.encode()
        assert [
            name for name in (*evil, "page") if server.file(f"data/{name}.js") or server.file(f"data/{name}.html")
        ] == []


def test_links_in_the_report_are_not_followed(copy: Run, tmp_path: Path) -> None:
    (tmp_path / "private.jpg").write_bytes(b"private")
    (copy.report.parent / "tiles" / "private.jpg").symlink_to(tmp_path / "private.jpg")
    with ReportServer(copy.store) as server:
        assert server.file("tiles/private.jpg") is None


def test_what_a_strangers_index_names_is_shown_only_if_it_is_a_picture(copy: Run, tmp_path: Path) -> None:
    (tmp_path / "key.txt").write_text("private")
    os.mkfifo(tmp_path / "pipe.png")
    names = ["/etc/passwd", str(tmp_path / "key.txt"), str(tmp_path / "run" / "../key.txt"), "/dev/zero", "\0", "",
             str(tmp_path / "pipe.png"), "reference::x", "file:///etc/passwd"]  # fmt: skip
    table = pq.read_table(copy.path / "index" / "real.parquet")
    for name in names:
        odd = {"uri": [name] * len(table), "bytes": [-1] * len(table)}
        changed = table
        for column, values in odd.items():
            number = table.schema.get_field_index(column)
            changed = changed.set_column(number, column, pa.array(values, table.schema.field(column).type))
        pq.write_table(changed, copy.path / "index" / "real.parquet", compression="none", use_dictionary=False)
        with ReportServer(copy.store) as server:
            with pytest.raises(Rejected) as rejected:
                server.image(0, 0)
            assert "private" not in rejected.value.error
            assert "root:" not in rejected.value.error
