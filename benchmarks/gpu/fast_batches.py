"""How many images a second does the pyramid embed with batches of other sizes?"""

from functools import partial

from gpu.fast_embed import timed
from gpu.stage import Part

_STEPS = ("bfloat16, compiled", "bfloat16")
_BATCHES = {512: (32, 64, 256), 224: (64, 256, 512)}

PARTS: dict[str, Part] = {
    f"{size} pixels, batch {batch}": partial(timed, size, batch, _STEPS)
    for size, batches in _BATCHES.items()
    for batch in batches
}
