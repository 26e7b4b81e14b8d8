"""Dask's dashboard answers with its page where gapscope says that it is."""

from pathlib import Path
from urllib.request import urlopen

import pytest
from compose_services import LocalServices, read_services
from dask_processes import DaskProcesses
from recording_progress import RecordingProgress

from gapscope.cluster import open_cluster

pytest.importorskip("bokeh", reason='Dask draws its dashboard with Bokeh: pip install "gapscope[dashboard]"')
pytestmark = [pytest.mark.cluster, pytest.mark.slow]


def check_page(url: str) -> None:
    with urlopen(url, timeout=60) as response:
        page = response.read().decode()
    assert "<title>Dask Diagnostic UI</title>" in page
    # The page brings its scripts itself, so that it needs no network.
    assert 'src="static/js/bokeh' in page


def test_the_scheduler_of_compose_has_one(processes: DaskProcesses, tmp_path: Path) -> None:
    service = LocalServices(tmp_path).service(read_services("compose.yaml")["scheduler"], "--host", "127.0.0.1")
    processes.start("scheduler", service.command, service.environment)
    processes.wait_until_healthy("scheduler", service.health)
    (published,) = service.published
    check_page(f"http://{published}/status")


def test_a_cluster_of_this_machine_has_one() -> None:
    progress = RecordingProgress()
    with open_cluster("local", "cpu", 0, progress):
        (line,) = (note for note in progress.notes if note.startswith("dashboard "))
        address = line.removeprefix("dashboard ")
        assert address.startswith("http://127.0.0.1:")
        check_page(address)
