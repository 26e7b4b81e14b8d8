"""NAME=SOURCE, as the command line takes datasets."""

from collections.abc import Iterable

from gapscope.errors import OptionError


def parse_datasets(arguments: Iterable[str]) -> dict[str, str]:
    """Return name to source.

    Raises:
        OptionError: an argument is not NAME=SOURCE, or a name is given twice.

    Example:
        >>> parse_datasets(["real=photos", "synthetic=renders"])
        {'real': 'photos', 'synthetic': 'renders'}
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
