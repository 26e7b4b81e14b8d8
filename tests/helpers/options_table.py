"""The README's table of options, made from the settings; `python tests/helpers/options_table.py` writes it there."""

from dataclasses import MISSING
from pathlib import Path

from gapscope.settings import OPTIONS, Option
from gapscope_cli.options import METAVARS

README = Path(__file__).parents[2] / "README.md"
HEAD = "| option | meaning | default |\n|---|---|---|\n"


def options_table() -> str:
    """Return the table, with its head and without a line break at the end."""
    return HEAD + "\n".join(_row(option) for option in OPTIONS.values())


def _row(option: Option) -> str:
    dashed = "--" + option.name.replace("_", "-")
    value = "|".join(option.choices) or METAVARS.get(option.name, "")
    shown = f"{dashed} {value}".strip().replace("|", "\\|")
    return f"| `{shown}` | {option.help} | {_default(option)} |"


def _default(option: Option) -> str:
    if option.default is MISSING:
        return "required"
    if option.default is None or option.default is False:
        return ""
    if isinstance(option.default, tuple):
        return f"`{','.join(option.default)}`"
    return f"{option.default:,}" if type(option.default) is int else f"`{option.default}`"


def _write() -> None:
    text = README.read_text(encoding="utf-8")
    start = text.index("| option |")
    end = text.index("\n\n", start)
    README.write_text(text[:start] + options_table() + text[end:], encoding="utf-8")


if __name__ == "__main__":
    _write()
