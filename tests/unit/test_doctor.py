"""`gapscope doctor` says which weights are on this machine, and downloads none; it waits for a cluster that starts."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
from torchvision.models import get_model_weights
from typer.testing import CliRunner

from gapscope.pyramid import MODELS
from gapscope_cli.main import app

CACHED = "retinanet_resnet50_fpn"


def test_the_doctor_downloads_no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    downloads: list[Any] = []
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", lambda *call, **_: downloads.append(call))
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda *call, **_: downloads.append(call))
    file = tmp_path / "checkpoints" / get_model_weights(CACHED)["COCO_V1"].url.rsplit("/", 1)[1]
    file.parent.mkdir()
    file.write_bytes(b"weights")

    result = CliRunner().invoke(app, ["doctor"])

    assert result.exit_code == 0, result.output
    assert downloads == []
    (cached,) = (line for line in result.stdout.splitlines() if " weights cached " in line)
    (missing,) = (line for line in result.stdout.splitlines() if " weights to fetch " in line)
    assert cached.split("weights cached")[1].strip() == f"{CACHED}, bundled"
    assert missing.endswith(f"on first use: {', '.join(name for name in MODELS if name not in (CACHED, 'bundled'))}")
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("options", [["--wait", "5"], ["--workers", "2"]])
def test_to_wait_for_no_cluster_is_refused(options: list[str]) -> None:
    result = CliRunner().invoke(app, ["doctor", *options])
    assert result.exit_code == 2
    assert result.stderr == f"gapscope: {' '.join(options)}: there is no cluster to wait for; name one with --cluster\n"


@pytest.mark.parametrize("starting", ["scheduler.json", "tcp://127.0.0.1:1"])
def test_a_cluster_that_does_not_start_in_time_is_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, starting: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("gapscope.cluster.wait._SILENT_SECONDS", 0.1)
    result = CliRunner().invoke(app, ["doctor", "--cluster", starting, "--wait", "0.6"])
    assert result.exit_code == 1
    line = result.stdout.splitlines()[-1]
    assert line.startswith(f"FAILS  cluster           {starting}: no scheduler ")
    assert "within 0.6 s" in line
    # What it waits for is told apart from what it finds.
    assert result.stderr.startswith("waiting up to ")
    assert result.stderr.endswith(" s for the scheduler\n")


def test_what_waiting_cannot_mend_is_refused_at_once() -> None:
    for cluster in ("nonsense", "tls://127.0.0.1:8786", "tcp://127.0.0.1:port"):
        result = CliRunner().invoke(app, ["doctor", "--cluster", cluster, "--wait", "1000"])
        assert result.exit_code == 2
        assert result.stderr.startswith(f"gapscope: --cluster {cluster}: ")
        assert result.stdout == ""


@pytest.mark.slow
def test_ctrl_c_while_it_waits_is_quiet() -> None:
    command = [sys.executable, "-m", "gapscope_cli", "doctor", "--cluster", "tcp://127.0.0.1:1"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("waiting up to ")
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert process.stderr.read() == ""
