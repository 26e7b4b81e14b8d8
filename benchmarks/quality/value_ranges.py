"""Whether photographs keep their content in whatever numbers they are written.

The input is a folder with a sub-folder of photographs per class. They are made gray and written in many ways: 8 bits,
in 10, 12, 14 and 16 bits of 16, with a black level, in the narrow range of a thermal camera, as signed integers, and as
floats in several ranges, with single infinities. Each way is one dataset. A sample of it settles its range, as a run
does, and the bundled network embeds it. The benchmark reports per way:

- the range that was settled, and why;
- classes: accuracy of the 5 nearest neighbors (cosine distance of standardized embeddings, without the photograph
  itself) in predicting the class, per level; it should be that of the 8-bit twins;
- twins: how often the nearest of the 8-bit embeddings is that of the photograph's twin, per level.

Takes about a minute per way with 300 photographs.
"""

import io
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gapscope.decode.picture import decode
from gapscope.decode.shrink import Target, look_at
from gapscope.decode.value_range import settle_ranges
from gapscope.settings import Preprocess

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness import argument_parser, write_result
from networks import bundled_pyramid
from quality.fit import knn_accuracy
from quality.photographs import SIZE, choose_photographs, embed, standardized

_SAMPLE = 32


def main() -> None:
    """Measure, print a table, and write the JSON."""
    parser = argument_parser(__doc__)
    parser.add_argument("folder", type=Path, help="a sub-folder of photographs per class")
    parser.add_argument("--images", type=int, default=300, help="photographs, chosen at random (default: 300)")
    options = parser.parse_args()
    paths, labels = choose_photographs(options.folder, options.images)
    grays = [np.asarray(Image.open(path).convert("L")) for path in paths]
    pyramid = bundled_pyramid(SIZE)
    result: dict[str, Any] = {"images": len(grays), "ways": {}}
    twins: dict[str, NDArray[np.float32]] = {}
    for name, write in WAYS.items():
        files = [write(gray) for gray in grays]
        preprocess, words = settled(files)
        pixels = np.stack([decode(data, preprocess).pixels for data in files])
        embeddings = {level: standardized(values) for level, values in embed(pyramid, pixels).items()}
        twins = twins or embeddings
        accuracies = {}
        for level, values in embeddings.items():
            similarity = values @ values.T
            np.fill_diagonal(similarity, -np.inf)
            nearest = (values @ twins[level].T).argmax(axis=1)
            twin = float((nearest == np.arange(len(values))).mean())
            accuracies[level] = {"classes": knn_accuracy(similarity, labels), "twins": twin}
        result["ways"][name] = {"range": words, **accuracies}
        print(
            f"{name:<34} {words:<60}", "  ".join(f"{level} {own['classes']:.3f}" for level, own in accuracies.items())
        )
        write_result(options.out, result)


def settled(files: list[bytes]) -> tuple[Preprocess, str]:
    """Return the preprocessing of a dataset, and its range in words."""
    step = max(1, len(files) // _SAMPLE)
    looks = [look_at(data, Target(SIZE, "crop", 10**8)) for data in files[::step]]
    ranges = settle_ranges(look for look in looks if look is not None)
    words = "; ".join(f"{each.low:g} to {each.high:g}, {each.basis}" for each in ranges)
    return replace(Preprocess(size=SIZE), value_ranges=ranges), words or "8 bits"


def _image(values: NDArray[Any], kind: str = "TIFF") -> bytes:
    file = io.BytesIO()
    Image.fromarray(values).save(file, kind)
    return file.getvalue()


def _array(values: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


def _with_infinity(values: NDArray[Any]) -> NDArray[Any]:
    values[0, 0] = np.inf
    return values


WAYS: dict[str, Callable[[NDArray[np.uint8]], bytes]] = {
    "8 bits": lambda gray: _image(gray, "PNG"),
    "8 bits in 16, from 291 on": lambda gray: _image(gray.astype(np.uint16) * 3 + 291),
    "10 bits in 16": lambda gray: _image(gray.astype(np.uint16) * 4, "PNG"),
    "12 bits in 16, black at 240": lambda gray: _image((gray * 15.0 + 240).astype(np.uint16), "PNG"),
    "14 bits in 16": lambda gray: _image((gray * 64.0).astype(np.uint16)),
    "16 bits": lambda gray: _image((gray * 257.0).astype(np.uint16)),
    "a thermal camera, from 7200 on": lambda gray: _image((gray * 6.0 + 7200).astype(np.uint16)),
    "Hounsfield units": lambda gray: _array((gray * 16.0 - 1024).astype(np.int16)),
    "floats from 0 to 1, one infinite": lambda gray: _array(_with_infinity((gray / 255.0).astype(np.float32))),
    "floats from 0 to 255": lambda gray: _array(gray.astype(np.float32)),
    "floats from -1 to 1": lambda gray: _array((gray / 127.5 - 1).astype(np.float32)),
    "kelvins": lambda gray: _image((gray / 8.0 + 280).astype(np.float32)),
}


if __name__ == "__main__":
    main()
