"""FiftyOne and its Brain: embeddings, a three-dimensional map, uniqueness, near duplicates.

python fiftyone_script.py FIRST SECOND OUT THREADS
"""

import json
import sys
from pathlib import Path
from typing import Any

import fiftyone as fo
import fiftyone.brain as fob
import numpy as np
import torch
from backbone import SIDE, Stages, Steps
from PIL import Image
from torchvision.transforms import CenterCrop, Compose, Resize, ToTensor


class Last(fo.core.models.Model):  # type: ignore[misc]
    """The network's last stage as one of FiftyOne's models, which compute_embeddings takes."""

    media_type, has_embeddings, ragged_batches = "image", True, False
    preprocess, transforms = False, None

    def __init__(self) -> None:
        self._network = Stages()
        self._look = Compose([Resize(SIDE), CenterCrop(SIDE), ToTensor()])

    def embed_all(self, images: Any) -> Any:
        """Embed a list of arrays (height, width, 3)."""
        batch = torch.stack([self._look(Image.fromarray(np.asarray(image))) for image in images])
        return self._network(batch)[-1].numpy()

    def embed(self, image: Any) -> Any:
        """Embed one array."""
        return self.embed_all([image])[0]

    def predict(self, image: Any) -> Any:
        """Return nothing: only embeddings are asked for."""


def main() -> None:
    """Do what FiftyOne has for two folders, and write answer.json."""
    first, second, out, threads = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
    torch.set_num_threads(threads)
    steps = Steps()
    data = fo.Dataset()
    for folder in (first, second):
        data.add_images_dir(str(folder), tags=folder.name)
    embeddings = data.compute_embeddings(Last(), batch_size=32)
    steps.done("embedding")
    fob.compute_visualization(data, embeddings=embeddings, method="umap", num_dims=3, seed=0)
    steps.done("umap")
    fob.compute_uniqueness(data, embeddings=embeddings)
    steps.done("uniqueness")
    found = fob.compute_near_duplicates(data, embeddings=embeddings)
    steps.done("duplicates")
    comes_out = "a map, uniqueness per image, near duplicates; no comparison of the two sets"
    answer = {"images": len(data), "steps": steps.seconds, "comes_out": comes_out}
    (out / "answer.json").write_text(json.dumps(answer | {"numbers": {"near_duplicates": len(found.neighbors_map)}}))


if __name__ == "__main__":
    main()
