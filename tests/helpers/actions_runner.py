"""Runs the shell steps of GitHub's workflows and composite actions, without GitHub."""

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

_EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")


def read_yaml(file: Path) -> dict[str, Any]:
    """Return a workflow or an action; YAML reads its key `on` as true."""
    content: dict[Any, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return {"on" if key is True else str(key): value for key, value in content.items()}


@dataclass
class Runner:
    """A job that runs.

    Attributes:
        folder: the checkout, in which steps run.
        files: where the runner keeps the summary and the outputs.
        variables: of the repository.
        environment: of the runner.
        code: exit code of the step that failed first; 0 for none.
    """

    folder: Path
    files: Path
    variables: Mapping[str, str]
    environment: Mapping[str, str]
    code: int = 0
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    said: str = ""

    @property
    def summary(self) -> Path:
        """The step summary of all steps."""
        return self.files / "summary.md"

    def run_job(self, job: Mapping[str, Any], action: Mapping[str, Any]) -> int:
        """Run a job's steps, and those of the composite action where a step uses it; steps of other actions do nothing.

        Returns:
            The exit code of the step that failed; 0 for none.
        """
        job_environment = {name: self._value(str(text), {}) for name, text in job.get("env", {}).items()}
        for step in job["steps"]:
            if not self._is_wanted(step, {}):
                continue
            if "run" in step:
                self._run(step, {}, job_environment)
            elif step["uses"].startswith("./"):
                self._run_action(step, action, job_environment)
        return self.code

    def _run_action(self, step: Mapping[str, Any], action: Mapping[str, Any], environment: Mapping[str, str]) -> None:
        given = {name: self._value(str(text), {}) for name, text in step.get("with", {}).items()}
        unknown = given.keys() - action["inputs"].keys()
        assert not unknown
        inputs = {name: given.get(name, each.get("default")) for name, each in action["inputs"].items()}
        assert None not in inputs.values()
        for own in action["runs"]["steps"]:
            if self._is_wanted(own, inputs):
                self._run(own, inputs, environment)

    def _is_wanted(self, step: Mapping[str, Any], inputs: Mapping[str, Any]) -> bool:
        condition = step.get("if")
        if condition is None:
            return self.code == 0
        parts = _EXPRESSION.sub(r"\1", condition).split(" && ")
        assert "!cancelled()" in parts
        for part in parts:
            if part != "!cancelled()":
                name, different, empty = part.partition(" != ")
                assert (different, empty) == (" != ", "''")
                if not self._value(f"${{{{ {name} }}}}", inputs):
                    return False
        return True

    def _value(self, text: str, inputs: Mapping[str, Any]) -> str:
        def value(match: re.Match[str]) -> str:
            kind, *names = match[1].split(".")
            if kind == "inputs":
                return str(inputs[names[0]])
            if kind == "vars":
                return self.variables.get(names[0], "")
            assert kind == "steps"
            assert names[1] == "outputs"
            return self.outputs.get(names[0], {}).get(names[2], "")

        return _EXPRESSION.sub(value, text)

    def _run(self, step: Mapping[str, Any], inputs: Mapping[str, Any], environment: Mapping[str, str]) -> None:
        outputs = self.files / "outputs"
        outputs.write_text("")
        own = {name: self._value(str(text), inputs) for name, text in step.get("env", {}).items()}
        files = {"GITHUB_OUTPUT": str(outputs), "GITHUB_STEP_SUMMARY": str(self.summary)}
        # As GitHub calls it.
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=self.folder,
            env=os.environ | dict(self.environment) | dict(environment) | own | files,
            capture_output=True,
            text=True,
            check=False,
        )
        self.said += f"{step.get('name')}\n{done.stdout}{done.stderr}"
        lines = (line.partition("=") for line in outputs.read_text(encoding="utf-8").splitlines())
        self.outputs.setdefault(str(step.get("id")), {}).update({name: value for name, _, value in lines})
        if done.returncode and not self.code:
            self.code = done.returncode
