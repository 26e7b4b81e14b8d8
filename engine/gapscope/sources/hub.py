"""Datasets on the Hugging Face hub, whose images are in Parquet files."""

from gapscope.errors import SourceError, one_line
from gapscope.sources.formats import has_image_suffix
from gapscope.urls import remote

HUB = "hf://datasets/"
"""Begins the URL of a dataset on the hub: `hf://datasets/USER/NAME`, or a folder in it."""

_CONVERTED = "@refs/convert/parquet"


def find_hub_tables(url: str) -> tuple[str, ...]:
    """Return the Parquet files of a dataset on the hub, or of a folder in it, sorted; none if it holds images as files.

    Where a dataset holds neither, the hub may have made Parquet files of it, on a branch of its own.

    Args:
        url: of the dataset or the folder.

    Raises:
        SourceError: there is no such dataset, or the hub cannot be reached.
    """
    user, _, rest = url.removeprefix(HUB).strip("/").partition("/")
    name = rest.partition("/")[0]
    if not name:
        raise SourceError(f"{url}: write {HUB}USER/NAME")
    fs, path = remote(url.rstrip("/"))
    try:
        files = sorted(fs.glob(f"{path}/**/*.parquet"))
        # A dataset of scripts or archives may have been converted; one of image files is read as such.
        if not files and "@" not in name and not _has_images(fs.find(path, maxdepth=3)):
            branch = f"datasets/{user}/{name}{_CONVERTED}{rest.removeprefix(name)}"
            files = sorted(fs.glob(f"{branch}/**/*.parquet")) if fs.exists(branch) else []
    # The hub's client raises many types of exceptions.
    except Exception as error:
        raise SourceError(f"{url} cannot be listed: {_reason(error)}") from error
    return tuple(f"hf://{file}" for file in files)


def _has_images(files: list[str]) -> bool:
    return any(has_image_suffix(file) for file in files)


def _reason(error: Exception) -> str:
    """Return why the hub refuses: its errors tell of pages to read behind the reason."""
    text = one_line(error).partition(" For more information")[0]
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in (401, 404):
        return "there is no such dataset, or it is private and HF_TOKEN is not set"
    return text
