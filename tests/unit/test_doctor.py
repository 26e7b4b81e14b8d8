"""`gapscope doctor` says which weights are on this machine, and downloads none."""

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
