"""Writes docs/schemas: the JSON Schema of each command's document."""

import json
from pathlib import Path

from gapscope_cli.documents import DOCUMENTS, schema_of

FOLDER = Path(__file__).parents[2] / "docs" / "schemas"

if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for command in DOCUMENTS:
        file = FOLDER / f"{command.replace(' ', '-')}.json"
        file.write_text(json.dumps(schema_of(command), indent=2) + "\n", encoding="utf-8")
