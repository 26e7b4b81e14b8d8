"""The README's table of options, made from the settings; `python tests/helpers/options_table.py` writes it there."""

from dataclasses import MISSING
from pathlib import Path

from document_table import replace_table

from gapscope.settings import OPTIONS, Option
from gapscope_cli.errors import flag
from gapscope_cli.options import METAVARS

README = Path(__file__).parents[2] / "README.md"
HEAD = "| option | meaning | default |\n|---|---|---|\n"


def options_table() -> str:
    """Return the table, with its head and without a line break at the end."""
    return HEAD + "\n".join(_row(option) for option in OPTIONS.values())


def _row(option: Option) -> str:
    value = "|".join(option.choices) or METAVARS.get(option.name, "")
    shown = f"{flag(option.name)} {value}".strip().replace("|", "\\|")
    return f"| `{shown}` | {option.help} | {_default(option)} |"


def _default(option: Option) -> str:
    if option.default is MISSING:
        return "required"
    if option.default is None or option.default is False:
        return ""
    if isinstance(option.default, tuple):
        return f"`{','.join(option.default)}`"
    return f"{option.default:,}" if type(option.default) is int else f"`{option.default}`"


if __name__ == "__main__":
    replace_table(README, HEAD, options_table())
