"""NAME=SOURCE and NAME=VALUE, as the command line takes datasets and what is said of one."""

from collections.abc import Collection, Iterable

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


def parse_named(
    option: str, arguments: Iterable[str], names: Collection[str], metavar: str = "VALUE"
) -> dict[str, str]:
    r"""Return name to value, for the datasets called `names`.

    A value without a name is for every dataset that has none of its own; without any it is `auto`.

    Args:
        option: the Python argument, for error messages.
        arguments: `NAME=VALUE` or `VALUE`.
        names: the datasets.
        metavar: what a value is called, for error messages.

    Raises:
        OptionError: two values are for the same datasets.

    Example:
        >>> parse_named("group", ["folder", "synthetic=pattern:(job=\\d+)"], ["real", "synthetic"])
        {'real': 'folder', 'synthetic': 'pattern:(job=\\d+)'}
    """
    everywhere: list[str] = []
    values: dict[str, str] = {}
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if not equals or name not in names:
            everywhere.append(argument)
        elif name in values:
            raise OptionError(f"dataset {name} has two values", argument=option, value=value)
        else:
            values[name] = value
    if len(everywhere) > 1:
        raise OptionError(
            f"{everywhere[0]} and {everywhere[1]} are both for all datasets: write NAME={metavar}, where NAME is one "
            f"of {', '.join(names)}",
            argument=option,
            value=everywhere[1],
        )
    return dict.fromkeys(names, everywhere[0] if everywhere else "auto") | values
