"""Starts the services of docker/compose.yaml as local processes, so that tests run the commands in that file."""

import re
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

DOCKER = Path(__file__).parents[2] / "docker"
_RESTARTS: dict[str, Callable[[int], bool]] = {"no": lambda _: False, "on-failure": bool}
_VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


def read_services(*files: str, **variables: str) -> dict[str, dict[str, Any]]:
    """Return the services of compose files by name; later files override earlier ones, and variables are filled in."""
    services: dict[str, dict[str, Any]] = {}
    for file in files:
        text = _VARIABLE.sub(lambda match: _value(match, variables), (DOCKER / file).read_text(encoding="utf-8"))
        for name, service in yaml.safe_load(text)["services"].items():
            merged = services.setdefault(name, {})
            environment = merged.get("environment", {}) | service.get("environment", {})
            merged |= service | {"environment": environment}
    return services


def _value(match: re.Match[str], variables: Mapping[str, str]) -> str:
    name, kind, default = match.groups()
    if kind == "?" and name not in variables:
        raise KeyError(name)
    return variables.get(name, default or "")


@dataclass(frozen=True, kw_only=True)
class Service:
    """The command that starts a service on this machine, and what else the file says of it.

    Attributes:
        command: starts it.
        environment: the variables that it gets in addition.
        health: its health check; empty if it has none.
        published: the addresses (host and port) at which this machine reaches it.
        restarts: tells by the exit code whether an engine starts it again.
    """

    command: list[str]
    environment: dict[str, str]
    health: list[str]
    published: list[str]
    restarts: Callable[[int], bool]


class LocalServices:
    """Translates services to local processes.

    Without containers, the scheduler's host, the ports, the programs and the folder of keys have other names.
    """

    def __init__(self, keys: Path) -> None:
        names = {"//scheduler:": "//127.0.0.1:", "0.0.0.0:": "127.0.0.1:"}
        self._replacements = names | {"8786": _free_port(), "/keys": str(keys)}

    def service(self, definition: dict[str, Any], *options: str) -> Service:
        """Return a service as a local process, with more options; without an entrypoint, the program is gapscope."""
        replacements = self._replacements | {"8787": _free_port()}

        def localize(text: str) -> str:
            for name, local_name in replacements.items():
                text = text.replace(name, local_name)
            return text

        words = [localize(word) for word in definition.get("entrypoint", ["gapscope"]) + definition.get("command", [])]
        health = [localize(word) for word in definition.get("healthcheck", {}).get("test", [])]
        modules = {"dask": "dask", "gapscope": "gapscope_cli"}
        return Service(
            command=[sys.executable, "-m", modules[words[0]], *words[1:], *options],
            # A variable without a value is inherited from the caller's environment.
            environment={
                name: localize(value) for name, value in definition["environment"].items() if value is not None
            },
            health=[sys.executable, *health[2:]] if health[:2] == ["CMD", "python"] else [],
            published=[localize(ports).rpartition(":")[0] for ports in definition.get("ports", [])],
            restarts=_RESTARTS[definition["restart"]],
        )


def _free_port() -> str:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return str(server.getsockname()[1])
