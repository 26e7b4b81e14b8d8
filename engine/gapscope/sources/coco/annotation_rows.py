"""The annotations of a COCO file, read from the file image by image: what is in memory are their places."""

import json
import weakref
from array import array
from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from typing import IO, Any, NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray

from gapscope.errors import SourceError
from gapscope.sources.coco.ids import IdKey, id_key, without_odd_ids


class CocoAnnotation(TypedDict):
    """An annotated object, or the segments of an image: a list of objects with a `category_id`.

    The ids are numbers, text or None; the other values may be anything.
    """

    image_id: Any
    id: NotRequired[Any]
    category_id: NotRequired[Any]
    bbox: NotRequired[Any]
    segmentation: NotRequired[Any]
    area: NotRequired[Any]
    iscrowd: NotRequired[Any]
    segments_info: NotRequired[Any]


class AnnotationPlaces:
    """Where the annotations of a file are, and which image each has, as the file is read."""

    def __init__(self) -> None:
        self.starts, self.lengths, self.codes = array("q"), array("q"), array("q")
        self.image_ids: dict[IdKey, int] = {}
        """Every different image id to its code, by first appearance."""

    def add(self, annotation: Mapping[str, Any], start: int, stop: int) -> None:
        """Add an annotation that is at some bytes of the file."""
        self.starts.append(start)
        self.lengths.append(stop - start)
        self.codes.append(self.image_ids.setdefault(id_key(annotation["image_id"]), len(self.image_ids)))

    def counts(self) -> NDArray[np.int64]:
        """Return how many annotations each image id has, by code."""
        return np.bincount(np.frombuffer(self.codes, np.int64), minlength=len(self.image_ids))


class AnnotationRows:
    """The annotations of the images of a file, whose ids are what they mean.

    Args:
        file: that they are read from; is closed when this object goes.
        location: path or URL of the annotation file.
        places: of all annotations in the file.
        image_ids: the id of an image that each of the file's image ids means, by code; those that mean none are absent.
        category_ids: the category that an id of one means, where it is another one.
    """

    def __init__(
        self,
        file: IO[bytes],
        location: str,
        places: AnnotationPlaces,
        image_ids: Mapping[int, Any],
        category_ids: Mapping[IdKey, Any],
    ) -> None:
        self._location = location
        self._file, self._image_ids, self._category_ids = file, image_ids, category_ids
        weakref.finalize(self, file.close)
        self._starts = np.frombuffer(places.starts, np.int64)
        self._lengths = np.frombuffer(places.lengths, np.int64)
        self._codes = np.frombuffer(places.codes, np.int64)
        self._image_numbers = {image_id: number for number, image_id in enumerate(dict.fromkeys(image_ids.values()))}
        of_code = np.full(len(places.image_ids), -1, np.int64)
        for code, image_id in image_ids.items():
            of_code[code] = self._image_numbers[image_id]
        self._group(of_code[self._codes])

    def _group(self, images: NDArray[np.int64]) -> None:
        """Keep annotations whose image has a number, together by image and in the order of the file within one.

        Args:
            images: (annotations in the file,) number of each one's image, -1 for none.
        """
        self._images = images
        kept = np.flatnonzero(images >= 0)
        self._order = kept[np.argsort(images[kept], kind="stable")]
        self._bounds = np.searchsorted(images[self._order], np.arange(len(self._image_numbers) + 1))

    def __len__(self) -> int:
        return len(self._order)

    def __iter__(self) -> Iterator[CocoAnnotation]:
        """Yield all annotations in the order of the file."""
        return map(self._read, np.sort(self._order).tolist())

    def of(self, image_id: Any) -> list[CocoAnnotation]:
        """Return the annotations of an image, in the order of the file."""
        return [self._read(place) for place in self._places_of(image_id)]

    def without_copies(self, image_ids: Sequence[Any]) -> list[Any]:
        """Leave out annotations of these images that equal an earlier one with their id; return their ids in order."""
        copies: list[tuple[int, Any]] = []
        for image_id in image_ids:
            first: dict[Any, CocoAnnotation] = {}
            for place in self._places_of(image_id):
                annotation = self._read(place)
                own_id = annotation.get("id")
                earlier = annotation if own_id is None else first.setdefault(own_id, annotation)
                if earlier is not annotation and earlier == annotation:
                    copies.append((place, own_id))
        if copies:
            self._images[[place for place, _ in copies]] = -1
            self._group(self._images)
        return [own_id for _, own_id in sorted(copies, key=itemgetter(0))]

    def _places_of(self, image_id: Any) -> list[int]:
        number = self._image_numbers.get(image_id)
        if number is None:
            return []
        places: list[int] = self._order[slice(*self._bounds[number : number + 2])].tolist()
        return places

    def _read(self, place: int) -> CocoAnnotation:
        self._file.seek(int(self._starts[place]))
        data = self._file.read(int(self._lengths[place]))
        try:
            annotation: CocoAnnotation = json.loads(data.decode("utf-8", "surrogatepass"))
        except ValueError as error:
            raise SourceError(f"{self._location}: changed while it was read; give the same command again") from error
        for row in (annotation, *(annotation.get("segments_info") or ())):
            without_odd_ids(row)
            if "category_id" in row:
                row["category_id"] = self._category_ids.get(id_key(row["category_id"]), row["category_id"])
        annotation["image_id"] = self._image_ids[int(self._codes[place])]
        return annotation
