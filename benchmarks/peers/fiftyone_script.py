"""FiftyOne and its Brain: embeddings, a three-dimensional map, uniqueness, near duplicates.

python fiftyone_script.py FIRST SECOND OUT THREADS
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

# FiftyOne reads these on import. Its database belongs to this run, and starts empty.
os.environ["FIFTYONE_DATABASE_DIR"] = str(Path(sys.argv[3]) / "database")
os.environ["FIFTYONE_DATABASE_VALIDATION"] = "false"
os.environ["FIFTYONE_DO_NOT_TRACK"] = "true"

import fiftyone as fo
import fiftyone.brain as fob
import torch
from backbone import SIDE, Stages, Steps
from torch import Tensor
from torchvision.transforms import CenterCrop, Compose, Resize, ToTensor


class LastStage(fo.core.models.TorchModelMixin, fo.core.models.Model):  # type: ignore[misc]
    """The network's last stage as one of FiftyOne's models, which a DataLoader feeds."""

    media_type, has_embeddings, ragged_batches, preprocess = "image", True, False, False
    transforms = Compose([Resize(SIDE), CenterCrop(SIDE), ToTensor()])

    def __init__(self) -> None:
        self._network = Stages()

    def embed_all(self, images: Tensor) -> Any:
        """Embed a batch (n, 3, side, side)."""
        return self._network(images)[-1].numpy()

    def predict(self, image: Any) -> Any:
        """Return nothing, since only embeddings are used."""


def main() -> None:
    """Run FiftyOne's analyses on two folders, and write answer.json."""
    first, second, out, threads = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
    torch.set_num_threads(threads)
    steps = Steps()
    data = fo.Dataset()
    for folder in (first, second):
        data.add_images_dir(str(folder), tags=folder.name)
    embeddings = data.compute_embeddings(LastStage(), batch_size=32, num_workers=threads)
    steps.done("embedding")
    fob.compute_visualization(data, embeddings=embeddings, method="umap", num_dims=3, seed=0)
    steps.done("umap")
    fob.compute_uniqueness(data, embeddings=embeddings)
    steps.done("uniqueness")
    duplicates = fob.compute_near_duplicates(data, embeddings=embeddings)
    steps.done("duplicates")
    comes_out = "a map, uniqueness per image, near duplicates; no comparison of the two sets"
    answer = {"images": len(data), "steps": steps.seconds, "comes_out": comes_out}
    (out / "answer.json").write_text(
        json.dumps(answer | {"numbers": {"near_duplicates": len(duplicates.neighbors_map)}})
    )


if __name__ == "__main__":
    main()
