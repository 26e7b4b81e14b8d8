"""NAME=SOURCE and NAME,NAME as the command line takes them."""

from collections.abc import Iterable

from gapscope.errors import OptionError


def parse_datasets(arguments: Iterable[str]) -> dict[str, str]:
    """Return name to source.

    Raises:
        OptionError: an argument is not NAME=SOURCE, or a name is given twice.
    """
    datasets: dict[str, str] = {}
    for argument in arguments:
        name, equals, source = argument.partition("=")
        if not (name and equals and source):
            raise OptionError(f"{argument!r} is not a dataset: write NAME=SOURCE, such as real=photos")
        if name in datasets:
            raise OptionError(f"dataset name {name!r} is given twice: every dataset needs a name of its own")
        datasets[name] = source
    return datasets


def comma_separated(text: str) -> list[str]:
    """Return the names in `a,b`."""
    return [name.strip() for name in text.split(",") if name.strip()]
