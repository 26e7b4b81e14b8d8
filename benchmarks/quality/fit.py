"""How much each fit reveals an image's aspect ratio, and how well it keeps the content.

The input is a folder with a sub-folder of photographs per class. Every second photograph is cropped to 4:3, equally at
top and bottom, which gives two datasets of the same kind that differ only in aspect ratio. For each fit and level of
the bundled pyramid the benchmark reports:

- frames: accuracy of the 5 nearest neighbors (cosine distance of standardized embeddings, without the photograph
  itself) in predicting whether a photograph was cropped; 0.5 is chance, and the best that a fit can give;
- classes: accuracy of the 5 nearest neighbors of the other aspect ratio in predicting the class; higher is better.

Takes about three minutes.
"""

import sys
from collections import Counter
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from gapscope.decode.fit import fit_to_square
from gapscope.settings import Fit

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness import argument_parser, write_result
from networks import bundled_pyramid
from quality.photographs import choose_photographs, standardized

_SIZE, _BATCH, _K = 224, 32, 5


def main() -> None:
    """Measure, print a table, and write the JSON."""
    parser = argument_parser(__doc__)
    parser.add_argument("folder", type=Path, help="a sub-folder of photographs per class")
    parser.add_argument("--images", type=int, default=800, help="photographs, chosen at random (default: 800)")
    options = parser.parse_args()
    paths, labels = choose_photographs(options.folder, options.images)
    images = [Image.open(path).convert("RGB") for path in paths]
    cropped = np.arange(len(images)) % 2 == 1
    inputs = [crop_to_4_3(image) if crop else image for image, crop in zip(images, cropped, strict=True)]
    accuracies = {fit: measure_fit(inputs, fit, cropped, labels) for fit in get_args(Fit)}
    for fit, levels in accuracies.items():
        print(
            f"{fit:<8}",
            "  ".join(f"{level} {values['frames']:.3f}/{values['classes']:.3f}" for level, values in levels.items()),
        )
    result = {
        "images": len(images),
        "classes": dict(Counter(labels.tolist())),
        "fits": accuracies,
    }
    write_result(options.out, result)


def crop_to_4_3(image: Image.Image) -> Image.Image:
    """Return an image that is taller than 4:3 cropped to 4:3, and any other as it is."""
    height = round(image.width * 3 / 4)
    top = (image.height - height) // 2
    return image.crop((0, top, image.width, top + height)) if top > 0 else image


def measure_fit(
    images: list[Image.Image], fit: Fit, cropped: NDArray[np.bool_], labels: NDArray[Any]
) -> dict[str, dict[str, float]]:
    """Return both accuracies, `frames` and `classes`, per level."""
    pyramid = bundled_pyramid(_SIZE, fit=fit)
    parts: dict[str, list[NDArray[np.float32]]] = {}
    with torch.inference_mode():
        for start in range(0, len(images), _BATCH):
            squares = [
                fit_to_square(torch.from_numpy(np.array(image)), _SIZE, fit) for image in images[start : start + _BATCH]
            ]
            for level, values in pyramid(torch.stack(squares).permute(0, 3, 1, 2)).items():
                parts.setdefault(level, []).append(values.numpy())
    other_frame = cropped[:, None] != cropped[None]
    accuracies = {}
    for level, values in ((level, np.concatenate(part)) for level, part in parts.items()):
        unit = standardized(values)
        similarity = unit @ unit.T
        np.fill_diagonal(similarity, -np.inf)
        accuracies[level] = {
            "frames": knn_accuracy(similarity, cropped.astype(str)),
            "classes": knn_accuracy(np.where(other_frame, similarity, -np.inf), labels),
        }
    return accuracies


def knn_accuracy(similarity: NDArray[np.float32], labels: NDArray[Any]) -> float:
    """Return the share of images whose label is the most common one among their nearest neighbors."""
    nearest = np.argsort(-similarity, axis=1)[:, :_K]
    votes = [Counter(labels[row].tolist()).most_common(1)[0][0] for row in nearest]
    return float(np.mean(np.array(votes) == labels))


if __name__ == "__main__":
    main()
