"""torch-fidelity: metrics only. It would download its Inception weights, so it gets the network of the others.

python fidelity_script.py FIRST SECOND OUT THREADS
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch
from backbone import SIDE, Stages, Steps
from torch import Tensor
from torch.nn.functional import interpolate
from torch_fidelity import calculate_metrics, register_feature_extractor
from torch_fidelity.feature_extractor_base import FeatureExtractorBase

_CHANNELS = "320"


class LastStage(FeatureExtractorBase):  # type: ignore[misc]
    """The network's last stage as one of torch-fidelity's extractors."""

    def __init__(self, name: str, features_list: list[str], **_: Any) -> None:
        super().__init__(name, features_list)
        self._network = Stages()

    @staticmethod
    def get_provided_features_list() -> tuple[str, ...]:
        """Return the name of the only feature."""
        return (_CHANNELS,)

    @staticmethod
    def get_default_feature_layer_for_metric(metric: str) -> str:
        """Return that feature for every metric."""
        del metric
        return _CHANNELS

    @staticmethod
    def can_be_compiled() -> bool:
        """Return that it is not compiled."""
        return False

    def forward(self, images: Tensor) -> tuple[Tensor]:
        """Embed (n, 3, height, width) uint8 images."""
        pixels = interpolate(images.float() / 255, size=(SIDE, SIDE), mode="bicubic", antialias=True)
        return (self._network(pixels.clamp(0, 1))[-1],)


def main() -> None:
    """Compute the metrics of two folders, and write answer.json."""
    first, second, out, threads = sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])
    torch.set_num_threads(threads)
    steps = Steps()
    register_feature_extractor("last-stage", LastStage)
    count = min(len(list(Path(folder).iterdir())) for folder in (first, second))
    metrics = calculate_metrics(
        input1=first,
        input2=second,
        feature_extractor="last-stage",
        fid=True,
        kid=True,
        prc=True,
        kid_subset_size=min(1000, count),
        batch_size=32,
        cuda=torch.cuda.is_available(),
        cache=False,
        verbose=False,
        samples_resize_and_crop=SIDE,
    )
    steps.done("all")
    answer: dict[str, Any] = {"images": sum(len(list(Path(folder).iterdir())) for folder in (first, second))}
    answer |= {"steps": steps.seconds, "comes_out": "Frechet and kernel distance, precision and recall of one stage"}
    (out / "answer.json").write_text(
        json.dumps(answer | {"numbers": {name: float(value) for name, value in metrics.items()}})
    )


if __name__ == "__main__":
    main()
