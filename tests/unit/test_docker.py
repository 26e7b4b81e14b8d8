"""The files in docker/ are consistent with the project and each other; tests/cluster/test_compose.py runs them."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_services import DOCKER, read_services

from gapscope.errors import UserError
from gapscope.gate.result import EXIT_CODES

ROOT = DOCKER.parent
DOCKERFILES = ("Dockerfile", "Dockerfile.cuda")
KEYS = {"GAPSCOPE_KEYS": "/keys"}


def read_instructions(file: str) -> list[tuple[str, str]]:
    """Return the keyword and arguments of each instruction of a Dockerfile, with continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", (DOCKER / file).read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    parts = (line.strip().partition(" ") for line in lines)
    return [(keyword, " ".join(arguments.split())) for keyword, _, arguments in parts if keyword]


@pytest.mark.parametrize("file", DOCKERFILES)
def test_an_image_is_built_in_two_stages_pinned_and_does_not_run_as_root(file: str) -> None:
    instructions = read_instructions(file)
    stages = [index for index, (keyword, _) in enumerate(instructions) if keyword == "FROM"]
    assert len(stages) == 2
    last_stage = instructions[stages[-1] :]
    # The build tools stay in the first stage; the last one only copies the result.
    assert [arguments for keyword, arguments in last_stage if keyword == "COPY"] == [
        "--from=build /opt/gapscope /opt/gapscope"
    ]
    assert not any("pip" in arguments for keyword, arguments in last_stage if keyword == "RUN")
    assert [arguments for keyword, arguments in last_stage if keyword == "USER"] == ["1000:1000"]
    health_check = next(arguments for keyword, arguments in last_stage if keyword == "HEALTHCHECK")
    assert health_check.endswith('CMD ["gapscope", "--version"]')
    runs = [arguments for keyword, arguments in instructions if keyword == "RUN"]
    installs = [arguments for arguments in runs if " install " in arguments and "pip" in arguments]
    assert installs
    assert all("-c constraints.txt" in arguments for arguments in installs)


@pytest.mark.parametrize("file", DOCKERFILES)
def test_an_image_uses_extras_versions_and_files_that_exist(file: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    instructions = read_instructions(file)
    (extras,) = {extra for _, text in instructions for extra in re.findall(r'"\.\[([\w,]+)\]"', text)}
    assert set(extras.split(",")) <= project["optional-dependencies"].keys()
    assert "dashboard" in extras.split(",")
    defaults = [arguments for keyword, arguments in instructions if keyword == "ARG"]
    (minor,) = {minor for default in defaults for minor in re.findall(r"python:3\.(\d+)-slim", default)}
    assert f"Programming Language :: Python :: 3.{minor}" in project["classifiers"]
    not_ignored = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for keyword, arguments in instructions:
        if keyword == "COPY" and not arguments.startswith("--from"):
            for name in arguments.split()[:-1]:
                assert (ROOT / name).exists()
                assert name in not_ignored


def test_compose_names_dockerfiles_and_services_that_exist() -> None:
    services = read_services("compose.yaml", "compose.tls.yaml", **KEYS)
    for name, service in services.items():
        assert (ROOT / service["build"]["dockerfile"]).is_file()
        assert not service["user"].startswith("0"), name
        assert service["cap_drop"] == ["ALL"]
        for other in service.get("depends_on", {}):
            # Compose starts the services that a service depends on: they must have its profile, or none.
            assert set(services[other].get("profiles", service["profiles"])) == set(service["profiles"])
    assert {tuple(service.get("profiles", [])) for service in services.values()} == {(), ("cpu",), ("gpu",)}
    assert services["job"]["command"] == services["gpu-job"]["command"]


def test_compose_publishes_only_the_dashboard_and_only_on_this_machine() -> None:
    services = read_services("compose.yaml")
    assert {name for name, service in services.items() if "ports" in service} == {"scheduler"}
    assert services["scheduler"]["ports"] == ["127.0.0.1:8787:8787"]
    moved = read_services("compose.yaml", "compose.tls.yaml", GAPSCOPE_DASHBOARD="9000", **KEYS)
    assert moved["scheduler"]["ports"] == ["127.0.0.1:9000:8787"]
    # The job's log names the address at which the dashboard answers.
    link = moved["job"]["environment"]["DASK_DISTRIBUTED__DASHBOARD__LINK"]
    assert link == "http://127.0.0.1:9000/status"
    # Workers answer health checks of their own, and show nothing.
    for name in ("worker", "gpu-worker"):
        assert "--no-dashboard" in services[name]["entrypoint"]
        assert "0.0.0.0:8787" not in services[name]["entrypoint"]


def test_only_workers_are_started_again() -> None:
    services = read_services("compose.yaml", "compose.tls.yaml", **KEYS)
    assert {name: service["restart"] for name, service in services.items()} == {
        "scheduler": "no",
        "worker": "on-failure",
        "job": "no",
        "gpu-worker": "on-failure",
        "gpu-job": "no",
    }


@pytest.mark.parametrize("file", [DOCKER / "compose.yaml", ROOT / "docs" / "cloud.md"])
def test_a_worker_that_dies_does_not_end_the_job(file: Path) -> None:
    # With --exit-code-from, Compose ends everything as soon as a container ends that it watches, and it watches those
    # that are named at the end of the command, or else all.
    commands = re.findall(r"docker compose .* up .*", file.read_text(encoding="utf-8"))
    assert len(commands) >= 2
    for command in commands:
        assert re.search(r"--exit-code-from ((?:gpu-)?job) \1$", command), command


def test_compose_with_tls_gives_every_service_the_keys() -> None:
    plain, with_tls = read_services("compose.yaml"), read_services("compose.tls.yaml", **KEYS)
    assert with_tls.keys() == plain.keys()
    for service in with_tls.values():
        assert service["volumes"] == ["/keys:/keys:ro"]
        roles = {name.split("__")[-2] for name in service["environment"] if name.endswith("__CERT")}
        assert roles == {"SCHEDULER", "WORKER", "CLIENT"}


def manifests() -> Iterator[tuple[str, dict[str, Any]]]:
    for file in sorted((DOCKER / "kubernetes").glob("*.yaml")):
        for document in yaml.safe_load_all(file.read_text(encoding="utf-8")):
            yield file.stem, document


def pods(document: dict[str, Any]) -> Iterator[tuple[dict[str, str], dict[str, Any]]]:
    """Yield the labels and the specification of every pod that a manifest starts."""
    if document["kind"] == "DaskCluster":
        for part in ("scheduler", "worker"):
            template = document["spec"][part]
            yield template["metadata"]["labels"], template["spec"]
    elif document["kind"] in {"Deployment", "Job"}:
        template = document["spec"]["template"]
        yield template["metadata"]["labels"], template["spec"]


def test_no_pod_runs_as_root_and_the_policy_covers_all() -> None:
    (policy,) = (document["spec"] for _, document in manifests() if document["kind"] == "NetworkPolicy")
    covered = policy["podSelector"]["matchLabels"].items()
    images = {service["image"] for service in read_services("compose.yaml").values()}
    all_pods = [pod for _, document in manifests() for pod in pods(document)]
    assert len(all_pods) == 5
    for labels, pod in all_pods:
        assert covered <= labels.items()
        assert pod["securityContext"]["runAsNonRoot"]
        for container in pod["containers"]:
            assert container["image"] in images
            assert container["securityContext"]["allowPrivilegeEscalation"] is False


def test_kubernetes_runs_the_commands_of_compose() -> None:
    services = read_services("compose.yaml")
    commands: dict[str, list[list[str]]] = {}
    for _, document in manifests():
        for _, pod in pods(document):
            for container in pod["containers"]:
                commands.setdefault(container["name"], []).append(container.get("command", container.get("args")))
    for command in commands["worker"]:
        index = command.index("--name") if "--name" in command else len(command)
        without_name = command[:index] + command[index + 2 :]
        assert without_name[:3] == ["dask", "cuda", "worker"]
        assert without_name[4:] == services["gpu-worker"]["entrypoint"][4:]
    (job,) = commands["compare"]
    assert [word for word in services["gpu-job"]["command"] if word.startswith("--")] == [
        word for word in [*job[:-2], "--model", *job[-2:]] if word.startswith("--")
    ]


def test_a_scheduler_of_kubernetes_is_healthy_where_its_dashboard_answers() -> None:
    compose = read_services("compose.yaml")["scheduler"]["entrypoint"]
    services = {
        port["targetPort"] for _, document in manifests() for port in service_ports(document) if port["port"] == 8787
    }
    schedulers = [
        container
        for _, document in manifests()
        for _, pod in pods(document)
        for container in pod["containers"]
        if container["name"] == "scheduler"
    ]
    assert len(schedulers) == 2
    for container in schedulers:
        # Compose names the protocol too, which TLS changes.
        assert container["command"] == [*compose[:2], *compose[4:]]
        (port,) = (port["name"] for port in container["ports"] if port["containerPort"] == 8787)
        assert port in services
        for probe in ("readinessProbe", "livenessProbe"):
            assert container[probe]["httpGet"] == {"path": "/health", "port": port}


def service_ports(document: dict[str, Any]) -> list[dict[str, Any]]:
    if document["kind"] == "DaskCluster":
        return list(document["spec"]["scheduler"]["service"]["ports"])
    return list(document["spec"]["ports"]) if document["kind"] == "Service" else []


def test_kubernetes_repeats_a_job_that_failed_but_no_mistake_and_no_rule_that_cannot_be_told() -> None:
    (job,) = (document["spec"] for _, document in manifests() if document["kind"] == "Job")
    pod = job["template"]["spec"]
    # The policy holds only for pods that are not restarted themselves.
    assert pod["restartPolicy"] == "Never"
    ends, ignores = job["podFailurePolicy"]["rules"]
    assert ends["action"] == "FailJob"
    assert ends["onExitCodes"] == {
        "containerName": pod["containers"][0]["name"],
        "operator": "In",
        "values": [UserError.exit_code, EXIT_CODES["undecided"]],
    }
    assert ignores["action"] == "Ignore"
    assert job["backoffLimit"] > 0


def test_the_job_connects_to_a_service_that_exists() -> None:
    service_names = {document["metadata"]["name"] for _, document in manifests() if document["kind"] == "Service"}
    # The Dask operator names the service of a cluster NAME-scheduler.
    service_names |= {
        f"{document['metadata']['name']}-scheduler" for _, document in manifests() if document["kind"] == "DaskCluster"
    }
    (job,) = (pod for _, document in manifests() if document["kind"] == "Job" for _, pod in pods(document))
    assert service_names == {"gapscope-scheduler"}
    assert job["containers"][0]["args"][-1] == "tcp://gapscope-scheduler:8786"
