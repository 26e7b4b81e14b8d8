"""Which column of a Parquet table holds the images: by its type, its name and the first bytes of its values."""

import base64
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from gapscope.errors import SourceError
from gapscope.sources.entry import Kind
from gapscope.sources.lists.columns import known_by_name
from gapscope.sources.parquet.file import claims_too_much, is_binary, kinds_of, open_parquet
from gapscope.sources.signatures import starts_like_image

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

Form = Literal["struct", "bytes", "text"]
"""What a cell is: a struct with `bytes`, bytes, or text in base64."""

_IMAGE_WORDS = re.compile(r"images?|imgs?|pictures?|photos?|jpe?g|png|webp|bytes|content|data")
_WORDS_BESIDE = re.compile(r"raw|binary|encoded|file|base64|b64|blob")
_WORDS_OF_OTHERS = re.compile(
    r"masks?|depths?|seg|segmentations?|labels?|annotations?|ids?|uuids?|hash|hashes|md5|sha1|sha256|phash|checksums?|"
    r"embeddings?|vectors?|features?|thumbs?|thumbnails?|previews?|audio|video"
)

_PEEKED_ROWS, _PEEKED_BATCHES, _PEEKED_ITEMS = 16, 16, 4
_HEAD_BYTES = 48
_MAX_TEXT_BYTES = 4096
"""A column of text whose values are longer than this on average is no metadata, but for example images in base64."""


class ImageColumn(NamedTuple):
    """The column that holds the images.

    Attributes:
        name: its name.
        others: columns that hold images too.
        kinds: the columns of numbers or text.
    """

    name: str
    others: tuple[str, ...]
    kinds: Mapping[str, Kind]


class _Candidate(NamedTuple):
    name: str
    form: Form
    content: Literal["images", "others", "nothing"]
    """What the first values hold: nothing where all are null, or name files beside the table."""

    @property
    def named(self) -> Literal["image", "other", "neither"]:
        words = re.findall(r"[^\W_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", self.name).lower())
        if any(map(_WORDS_OF_OTHERS.fullmatch, words)):
            return "other"
        of_image = [word for word in words if _IMAGE_WORDS.fullmatch(word)]
        beside = [word for word in words if _WORDS_BESIDE.fullmatch(word)]
        return "image" if of_image and len(of_image) + len(beside) == len(words) else "neither"


def find_image_column(path: str, wanted: str | None, location: str) -> ImageColumn | None:
    """Return the column of a Parquet file that holds encoded images; None if no column does.

    Structs with `bytes` are preferred, then columns with a name such as `image`, then the only column whose values
    begin like image files.

    Args:
        path: path or URL of the file.
        wanted: the column that the user named; None to find it.
        location: what the user gave, for messages.

    Raises:
        SourceError: the file cannot be read, several columns hold images, or the one that the user named cannot.
    """
    with open_parquet(path, buffered=True) as file:
        schema = file.schema_arrow
        if wanted is not None and wanted not in schema.names:
            raise SourceError(f"{path}: there is no column {wanted}; there are {_columns_in_words(schema)}")
        forms = {
            field.name: form
            for field in schema
            if (form := cell_form(field.type)) is not None
            and not (is_list(field.type) and claims_too_much(file, path, field.name))
        }
        kinds = kinds_of(schema)
        if wanted is None:
            candidates = _peek(file, {name: form for name, form in forms.items() if form != "text"})
            chosen = _choose(location, candidates)
            if chosen is None:
                candidates += _peek(file, {name: form for name, form in forms.items() if form == "text"})
                chosen = _choose(location, candidates)
        else:
            candidates = _peek(file, {wanted: forms[wanted]} if wanted in forms else {})
            chosen = next(iter(candidates), None)
            if chosen is None or chosen.content == "others":
                if kinds.get(wanted) == "text":
                    return None
                raise SourceError(f"{path}: column {wanted} holds no images; there are {_columns_in_words(schema)}")
            if chosen.form == "text" and chosen.content == "nothing":
                return None
        if chosen is None:
            if any(one.form != "text" for one in candidates) and not known_by_name(kinds):
                raise SourceError(
                    f"{location}: no column holds images; there are {_columns_in_words(schema)}; {location}::COLUMN "
                    "names one of paths"
                )
            return None
        others = tuple(one.name for one in candidates if one.name != chosen.name and one.content == "images")
        short = {name: kind for name, kind in kinds.items() if name != chosen.name and not _is_long(file, name, kind)}
        return ImageColumn(chosen.name, others, short)


def cell_form(arrow_type: "pa.DataType") -> Form | None:
    """Return what a cell of a column, or an item of a cell that is a list, is; None if it cannot be an image."""
    import pyarrow as pa

    inner = arrow_type.value_type if is_list(arrow_type) else arrow_type
    inner = inner.value_type if pa.types.is_dictionary(inner) else inner
    if pa.types.is_struct(inner):
        return "struct" if any(field.name == "bytes" and cell_form(field.type) == "bytes" for field in inner) else None
    if is_binary(inner):
        return "bytes"
    is_text = pa.types.is_string(inner) or pa.types.is_large_string(inner) or pa.types.is_string_view(inner)
    return "text" if is_text else None


def is_list(arrow_type: "pa.DataType") -> bool:
    """Tell whether a column holds a list of images per row."""
    import pyarrow as pa

    kinds = ("is_list", "is_large_list", "is_fixed_size_list", "is_list_view", "is_large_list_view")
    return any(getattr(pa.types, kind)(arrow_type) for kind in kinds)


def decode_base64(text: str) -> bytes:
    r"""Return the bytes of text in base64, also of a `data:` URL, or with the letters for URLs.

    Raises:
        ValueError: it is something else.

    Example:
        >>> decode_base64("data:image/png;base64,iVBORw0KGgo=")
        b'\x89PNG\r\n\x1a\n'
    """
    if text.startswith("data:"):
        head, _, text = text.partition(",")
        if not head.endswith(";base64"):
            raise ValueError("a data URL that is not in base64")
    plain = "".join(text.split()).replace("-", "+").replace("_", "/").rstrip("=")
    return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)


def _choose(location: str, candidates: list[_Candidate]) -> _Candidate | None:
    """Return the column that holds the images; None if none does.

    Raises:
        SourceError: several may be meant.
    """
    usable = [one for one in candidates if one.content == "images" or (one.content == "nothing" and one.form != "text")]
    structs = [one for one in usable if one.form == "struct" and one.named != "other"]
    seen = [one for one in usable if one.content == "images"]
    for pool in (
        [one for one in structs if one.named == "image"] if len(structs) > 1 else structs,
        structs,
        [one for one in usable if one.named == "image"],
        [one for one in seen if one.named == "neither"],
        seen,
    ):
        if len(pool) > 1:
            names = [one.name for one in pool]
            raise SourceError(
                f"{location}: columns {', '.join(names[:-1])} and {names[-1]} may each hold the images; name one, such "
                f"as {location}::{names[0]}"
            )
        if pool:
            return pool[0]
    return None


def _peek(file: "pq.ParquetFile", forms: Mapping[str, Form]) -> list[_Candidate]:
    """Return what the first values of columns hold, reading little."""
    heads: dict[str, list[bytes]] = {name: [] for name in forms}
    batches = file.iter_batches(_PEEKED_ROWS, columns=list(forms)) if forms else ()
    for number, batch in enumerate(batches, start=1):
        for name in forms:
            heads[name] += [head for cell in batch.column(name).to_pylist() for head in _heads(cell)]
        if number == _PEEKED_BATCHES or all(heads.values()):
            break
    return [_Candidate(name, form, _content(heads[name])) for name, form in forms.items()]


def _content(heads: list[bytes]) -> Literal["images", "others", "nothing"]:
    # Some of the first images may be damaged, and a hash may begin like one.
    if 2 * sum(map(starts_like_image, heads)) >= len(heads):
        return "images" if heads else "nothing"
    return "others"


def _heads(cell: Any) -> Iterator[bytes]:
    """Yield the first bytes of the images that a cell may hold."""
    if isinstance(cell, list):
        for item in cell[:_PEEKED_ITEMS]:
            yield from _heads(item)
    elif isinstance(cell, dict):
        yield from _heads(cell.get("bytes"))
    elif isinstance(cell, bytes) and cell:
        yield cell[:_HEAD_BYTES]
    elif isinstance(cell, str) and cell:
        head, comma, rest = cell[:_MAX_TEXT_BYTES].partition(",") if cell.startswith("data:") else ("", "", cell)
        text = "".join(rest[: 4 * _HEAD_BYTES].split())
        try:
            yield decode_base64(f"{head}{comma}{text[: len(text) // 4 * 4][:_HEAD_BYTES]}")
        except ValueError:
            yield b"\n"


def _is_long(file: "pq.ParquetFile", name: str, kind: Kind) -> bool:
    """Tell whether a column's texts are too long for metadata, as images in base64 are."""
    metadata = file.metadata
    if kind != "text" or not metadata.num_rows:
        return False
    index = next(index for index in range(metadata.num_columns) if metadata.schema.column(index).path == name)
    stored = sum(
        metadata.row_group(group).column(index).total_uncompressed_size for group in range(metadata.num_row_groups)
    )
    return bool(stored > _MAX_TEXT_BYTES * metadata.num_rows)


def _columns_in_words(schema: "pa.Schema") -> str:
    return ", ".join(f"{field.name} ({_type_in_words(field.type)})" for field in schema) or "none"


def _type_in_words(arrow_type: "pa.DataType") -> str:
    # A nested type in full may take many lines.
    text = str(arrow_type)
    return text if len(text) <= 40 else f"{text.partition('<')[0]}<...>"
