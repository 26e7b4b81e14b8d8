"""The kinds of image in the demo: the photograph that each comes from, and how the simulator renders it."""

from dataclasses import dataclass

from gapscope.demo.scenes import (
    Scene,
    backdrop,
    coins,
    galaxies,
    ground,
    ground_out_of_focus,
    missing_material,
    paving,
    rearranged,
    slide,
)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of image.

    Attributes:
        name: folder of its images, in both datasets.
        source: file name in scikit-image's data folder.
        sides: smallest and largest side of the part of the source that an image shows, in pixels of the source.
        turns: whether it has no upright orientation, so that images are rotated.
        photographs: number of photographs; 0 if the kind is only rendered.
        rendered: number of renderings; 0 if the kind is only photographed.
        scene: renders it; None if the simulator cannot.
    """

    name: str
    source: str
    sides: tuple[int, int]
    turns: bool = False
    photographs: int = 35
    rendered: int = 38
    scene: Scene | None = None


KINDS: tuple[Kind, ...] = (
    Kind(name="brick", source="brick.png", sides=(150, 256), scene=paving),
    Kind(name="coins", source="coins.png", sides=(120, 190), scene=coins),
    Kind(name="galaxies", source="hubble_deep_field.jpg", sides=(200, 400), turns=True, scene=galaxies),
    Kind(name="grass", source="grass.png", sides=(150, 256), turns=True, scene=ground_out_of_focus),
    Kind(name="gravel", source="gravel.png", sides=(150, 256), turns=True, scene=ground),
    Kind(name="retina", source="retina.jpg", sides=(300, 600), turns=True, scene=slide),
    Kind(name="tissue", source="ihc.png", sides=(150, 256), turns=True, scene=slide),
    Kind(name="cat", source="chelsea.png", sides=(150, 300), photographs=28, rendered=0),
    Kind(name="coffee", source="coffee.png", sides=(200, 400), photographs=28, rendered=0),
    Kind(name="rocket", source="rocket.jpg", sides=(200, 400), photographs=28, rendered=4, scene=backdrop),
    Kind(name="portrait", source="astronaut.png", sides=(380, 512), photographs=28, rendered=28, scene=rearranged),
    Kind(
        name="missing-material",
        source="gravel.png",
        sides=(150, 256),
        photographs=0,
        rendered=28,
        scene=missing_material,
    ),
)
