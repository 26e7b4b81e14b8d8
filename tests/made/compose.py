"""The services of docker/compose.yaml as processes of this machine, so that files and tests cannot drift apart."""

import re
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

DOCKER = Path(__file__).parents[2] / "docker"
_VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


def services(*files: str, **given: str) -> dict[str, dict[str, Any]]:
    """Return the services of compose files, later ones over earlier ones, with `given` for their variables."""
    found: dict[str, dict[str, Any]] = {}
    for file in files:
        text = _VARIABLE.sub(lambda match: _value(match, given), (DOCKER / file).read_text(encoding="utf-8"))
        for name, service in yaml.safe_load(text)["services"].items():
            merged = found.setdefault(name, {})
            environment = merged.get("environment", {}) | service.get("environment", {})
            merged |= service | {"environment": environment}
    return found


def _value(match: re.Match[str], given: Mapping[str, str]) -> str:
    name, kind, other = match.groups()
    if kind == "?" and name not in given:
        raise KeyError(name)
    return given.get(name, other or "")


@dataclass(frozen=True, kw_only=True)
class Service:
    """What starts a service here, what it finds in its environment, and what tells whether it is healthy."""

    command: list[str]
    environment: dict[str, str]
    health: list[str]


class Here:
    """Names that mean something else without containers: the scheduler's host, ports, programs, the folder of keys."""

    def __init__(self, keys: Path) -> None:
        self._names = {"//scheduler:": "//127.0.0.1:", "8786": _free_port(), "/keys": str(keys)}

    def service(self, found: dict[str, Any], *more: str) -> Service:
        """Return a service as a process, with more options at the end; without an entrypoint it is gapscope's."""
        names = self._names | {"8787": _free_port()}

        def remap_state_dict(word: str) -> str:
            for name, here in names.items():
                word = word.replace(name, here)
            return word

        words = [remap_state_dict(word) for word in found.get("entrypoint", ["gapscope"]) + found.get("command", [])]
        health = [remap_state_dict(word) for word in found.get("healthcheck", {}).get("test", [])]
        return Service(
            command=[sys.executable, "-m", {"dask": "dask", "gapscope": "gapscope_cli"}[words[0]], *words[1:], *more],
            # What has no value is handed on from outside.
            environment={
                name: remap_state_dict(value) for name, value in found["environment"].items() if value is not None
            },
            health=[sys.executable, *health[2:]] if health[:2] == ["CMD", "python"] else [],
        )


def _free_port() -> str:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return str(listening.getsockname()[1])
