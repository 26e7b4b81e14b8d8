"""One picture after the other, with its name and values, out of whatever a Python program gives."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from inspect import isgeneratorfunction
from itertools import islice
from typing import Any

import numpy as np

from gapscope.errors import OptionError, SourceError, describe_error
from gapscope.sources.entry import Value
from gapscope.sources.given.encode import encode, is_picture
from gapscope.sources.rejects import Rejected, Status

_IMAGE_KEYS = ("image", "img", "picture", "pixels", "pixel_values", "jpg", "png")
_NAME_KEYS = ("id", "key", "__key__", "name", "path", "filename", "file_name", "image_id")
_BATCHED = 4


@dataclass(frozen=True)
class Item:
    """One image as a Python program gave it.

    Attributes:
        name: what it is called.
        data: the bytes of a file; None if it could not be had.
        status: `listed`, or why it cannot be read.
        error: the reason as text; empty if there is none.
        values: what else was given of it.
    """

    name: str
    data: bytes | None
    status: Status = "listed"
    error: str = ""
    values: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class Items:
    """Pictures that a Python program gives, in their order.

    Attributes:
        start: returns them from a number on, as functions that read one. What raises is one picture that cannot be had.
        count: how many there are; None if that is not known before the last.
        what: what they were given as, in words.
        again: whether they can be read twice.
    """

    start: Callable[[int], Iterator[Callable[[], Any]]]
    count: int | None
    what: str
    again: bool

    def read(self, dataset: str, first: int = 0) -> "Iterator[Given]":
        """Yield the pictures from number `first` on.

        Raises:
            SourceError: what gives them raised an error, and cannot go on.
        """
        number = first
        pictures = self.start(first)
        while True:
            try:
                get = next(pictures)
            except StopIteration:
                return
            except Exception as error:
                what = f"dataset {dataset}: the {self.what} raised {describe_error(error)}"
                if not number:
                    raise SourceError(f"{what} before the first image") from error
                raise SourceError(
                    f"{what} after {number:,} images; those are kept, and the same call goes on behind them once it is "
                    "mended"
                ) from error
            yield self._get(f"{dataset}#{number}", get)
            number += 1

    def _get(self, name: str, get: Callable[[], Any]) -> "Given":
        try:
            given = get()
        # A dataset's own code may raise whatever it likes, and the next picture may be fine.
        except Exception as error:  # noqa: BLE001
            return Given(name, None, {}, f"the {self.what} raised {describe_error(error)}"[:500])
        return Given(*_parts(given, name))


@dataclass(frozen=True)
class Given:
    """One image before it is encoded.

    Attributes:
        name: what it is called.
        picture: of any library.
        values: what else was given of it.
        error: why it could not be had; empty if it could.
    """

    name: str
    picture: Any
    values: Mapping[str, Value]
    error: str = ""

    def encoded(self) -> Item:
        """Return the image as the bytes of a file; may be called in any thread."""
        if self.error:
            return Item(self.name, None, "unreadable", self.error)
        try:
            return Item(self.name, encode(self.picture), values=self.values)
        except Rejected as rejected:
            return Item(self.name, None, rejected.status, rejected.error, self.values)


def items_of(dataset: str, given: Any) -> Items:
    """Return the pictures that an object holds or makes.

    Raises:
        OptionError: it is nothing that holds pictures.
    """
    module = type(given).__module__
    if module.startswith("datasets."):
        return _of_hugging_face(dataset, given)
    if module.startswith("torch.utils.data") and hasattr(given, "batch_size"):
        return Items(lambda first: islice(_unbatched(given), first, None), None, "DataLoader", again=True)
    if hasattr(given, "shape") and hasattr(given, "dtype"):
        if len(given.shape) not in (3, 4):
            raise OptionError(
                f"dataset {dataset}: an array of shape {tuple(given.shape)} holds no images: give (images, height, "
                "width) or (images, height, width, channels), or vectors as {LEVEL: array}"
            )
        return _of_sequence(given, "array")
    if hasattr(given, "__getitem__") and hasattr(given, "__len__"):
        what = "list" if isinstance(given, list | tuple) else "Dataset"
        return _of_sequence(given, what)
    if isinstance(given, Iterator):
        return Items(lambda first: islice(_reading(given), first, None), None, "generator", again=False)
    if isinstance(given, Iterable):
        return Items(lambda first: islice(_reading(given), first, None), None, "iterable", again=True)
    call = f"call it: give {getattr(given, '__name__', 'it')}(); else " if isgeneratorfunction(given) else ""
    raise OptionError(
        f"dataset {dataset}: cannot read images from {type(given).__name__}; {call}give a location, paths, pictures, a "
        "table with a column of paths, a Dataset, a DataLoader or a generator of (id, image)"
    )


def _of_sequence(given: Any, what: str) -> Items:
    def start(first: int) -> Iterator[Callable[[], Any]]:
        for number in range(first, len(given)):
            yield partial(_item, given, number)

    return Items(start, len(given), what, again=True)


def _reading(given: Iterable[Any]) -> Iterator[Callable[[], Any]]:
    for each in given:
        yield partial(_itself, each)


def _item(given: Any, number: int) -> Any:
    return given[number]


def _itself(given: Any) -> Any:
    return given


def _unbatched(loader: Iterable[Any]) -> Iterator[Callable[[], Any]]:
    for batch in loader:
        for each in _of_batch(batch):
            yield partial(_itself, each)


def _of_batch(batch: Any) -> Iterator[Any]:
    """Yield the pictures of a batch, with what a collate function put beside them."""
    if isinstance(batch, Mapping):
        length = next((len(value) for value in batch.values() if _is_batch(value)), None)
        if length is not None:
            for at in range(length):
                yield {key: _at(value, at, length) for key, value in batch.items()}
            return
    elif isinstance(batch, list | tuple) and batch and _is_batch(batch[0]):
        for at in range(len(batch[0])):
            yield tuple(_at(value, at, len(batch[0])) for value in batch)
        return
    elif _is_batch(batch):
        yield from batch
        return
    yield from batch if isinstance(batch, list | tuple) and not _is_pair(batch) else [batch]


def _is_batch(value: Any) -> bool:
    return len(getattr(value, "shape", ())) == _BATCHED


def _is_pair(value: Sequence[Any]) -> bool:
    return len(value) >= 2 and is_picture(value[0]) and not is_picture(value[1])


def _at(value: Any, at: int, length: int) -> Any:
    return value[at] if hasattr(value, "__getitem__") and hasattr(value, "__len__") and len(value) == length else value


def _of_hugging_face(dataset: str, given: Any) -> Items:
    features = getattr(given, "features", None) or {}
    if isinstance(given, Mapping):
        raise OptionError(f"dataset {dataset}: is a DatasetDict: give one of its splits, {', '.join(given)}")
    columns = [name for name, feature in features.items() if type(feature).__name__ == "Image"]
    if len(columns) > 1 and "image" in columns:
        columns = ["image"]
    if len(columns) > 1:
        raise OptionError(
            f"dataset {dataset}: columns {' and '.join(columns)} hold images: leave out others with remove_columns"
        )
    if columns:
        # The encoded bytes, instead of pictures that would have to be encoded again.
        feature = type(features[columns[0]])(decode=False)
        given = given.cast_column(columns[0], feature)
    names = {name: feature for name, feature in features.items() if hasattr(feature, "int2str")}

    def arranged(row: Mapping[str, Any]) -> dict[str, Any]:
        values = dict(row)
        for name, feature in names.items():
            if isinstance(values.get(name), int) and values[name] >= 0:
                values[name] = feature.int2str(values[name])
        if columns and isinstance(cell := values[columns[0]], Mapping):
            values["image"] = _bytes_of(cell)
            if columns[0] != "image":
                del values[columns[0]]
        return values

    if hasattr(given, "__len__"):
        source = _of_sequence(given, "Dataset")
    else:
        source = Items(lambda first: islice(_reading(given), first, None), None, "IterableDataset", again=True)

    def start(first: int) -> Iterator[Callable[[], Any]]:
        for get in source.start(first):
            yield partial(_then, get, arranged)

    return Items(start, source.count, source.what, again=True)


def _then(get: Callable[[], Any], arranged: Callable[[Any], Any]) -> Any:
    return arranged(get())


def _bytes_of(cell: Mapping[str, Any]) -> bytes:
    if cell.get("bytes"):
        return bytes(cell["bytes"])
    with open(cell["path"], "rb") as file:
        return file.read()


def _parts(given: Any, name: str) -> tuple[str, Any, dict[str, Value]]:
    """Return name, picture and values of what was given for one image."""
    if isinstance(given, Mapping):
        key = next((key for key in _IMAGE_KEYS if is_picture(given.get(key))), None)
        key = key or next((key for key, value in given.items() if is_picture(value)), None)
        named = next((key for key in _NAME_KEYS if isinstance(given.get(key), str) and given[key]), None)
        picture = None if key is None else given[key]
        return name if named is None else given[named], picture, _values(given, {key, named})
    if isinstance(given, list | tuple) and len(given) >= 2:
        first, second, *_ = given
        if is_picture(first):
            beside = second if isinstance(second, Mapping) else {"label": second}
            return name, first, _values(beside, ())
        if isinstance(first, str | int | np.integer) and is_picture(second):
            return str(first), second, _values(given[2], ()) if _has_values(given) else {}
    if isinstance(given, list | tuple) and len(given) == 1:
        return name, given[0], {}
    return name, given, {}


def _has_values(given: Sequence[Any]) -> bool:
    return len(given) > 2 and isinstance(given[2], Mapping)


def _values(given: Mapping[Any, Any], taken: Collection[Any]) -> dict[str, Value]:
    """Return what is a number or a text beside an image; other things are passed over."""
    values: dict[str, Value] = {}
    for key, value in given.items():
        if key in taken:
            continue
        plain = value.item() if hasattr(value, "item") and getattr(value, "size", 1) in (1, None) else value
        plain = plain.item() if hasattr(plain, "numel") and plain.numel() == 1 else plain
        if isinstance(plain, bool):
            values[str(key)] = str(plain).lower()
        elif isinstance(plain, str):
            values[str(key)] = plain
        elif isinstance(plain, int | float):
            # A class is a word, although it may be written as a number.
            values[str(key)] = f"{plain}" if key == "label" and isinstance(plain, int) else float(plain)
    return values
