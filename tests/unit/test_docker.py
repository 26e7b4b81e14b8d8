"""The files in docker/ fit the project and each other; tests/cluster/test_compose.py starts what they start."""

import re
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from compose_services import DOCKER, read_services

ROOT = DOCKER.parent
DOCKERFILES = ("Dockerfile", "Dockerfile.cuda")
KEYS = {"GAPSCOPE_KEYS": "/keys"}


def instructions(file: str) -> list[tuple[str, str]]:
    """The instructions of a Dockerfile, with continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", (DOCKER / file).read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [(word, " ".join(rest.split())) for word, _, rest in (line.strip().partition(" ") for line in lines) if word]


@pytest.mark.parametrize("file", DOCKERFILES)
def test_an_image_is_built_apart_pinned_and_runs_without_root(file: str) -> None:
    found = instructions(file)
    stages = [at for at, (word, _) in enumerate(found) if word == "FROM"]
    assert len(stages) == 2
    last = found[stages[-1] :]
    # What builds stays behind, and nothing is installed but what was built.
    assert [rest for word, rest in last if word == "COPY"] == ["--from=build /opt/gapscope /opt/gapscope"]
    assert not any("pip" in rest for word, rest in last if word == "RUN")
    assert [rest for word, rest in last if word == "USER"] == ["1000:1000"]
    assert next(rest for word, rest in last if word == "HEALTHCHECK").endswith('CMD ["gapscope", "--version"]')
    installs = [rest for word, rest in found if word == "RUN" and " install " in rest and "pip" in rest]
    assert installs
    assert all("-c constraints.txt" in rest for rest in installs)


@pytest.mark.parametrize("file", DOCKERFILES)
def test_an_image_takes_what_is_there(file: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = instructions(file)
    (extras,) = {extra for _, rest in found for extra in re.findall(r'"\.\[([\w,]+)\]"', rest)}
    assert set(extras.split(",")) <= project["optional-dependencies"].keys()
    (minor,) = {minor for word, rest in found if word == "ARG" for minor in re.findall(r"python:3\.(\d+)-slim", rest)}
    assert f"Programming Language :: Python :: 3.{minor}" in project["classifiers"]
    let_in = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for word, rest in found:
        if word == "COPY" and not rest.startswith("--from"):
            for name in rest.split()[:-1]:
                assert (ROOT / name).exists()
                assert name in let_in


def test_compose_names_images_that_are_built_and_services_that_are_there() -> None:
    found = read_services("compose.yaml", "compose.tls.yaml", **KEYS)
    for name, service in found.items():
        assert (ROOT / service["build"]["dockerfile"]).is_file()
        assert not service["user"].startswith("0"), name
        assert service["cap_drop"] == ["ALL"]
        for other in service.get("depends_on", {}):
            # A service that is started brings those it waits for: they must have its profile, or none.
            assert set(found[other].get("profiles", service["profiles"])) == set(service["profiles"])
    assert {tuple(service.get("profiles", [])) for service in found.values()} == {(), ("cpu",), ("gpu",)}
    assert found["job"]["command"] == found["gpu-job"]["command"]


def test_compose_with_tls_gives_every_service_the_keys() -> None:
    plain, found = read_services("compose.yaml"), read_services("compose.tls.yaml", **KEYS)
    assert found.keys() == plain.keys()
    for service in found.values():
        assert service["volumes"] == ["/keys:/keys:ro"]
        roles = {name.split("__")[-2] for name in service["environment"] if name.endswith("__CERT")}
        assert roles == {"SCHEDULER", "WORKER", "CLIENT"}


def manifests() -> Iterator[tuple[str, dict[str, Any]]]:
    for file in sorted((DOCKER / "kubernetes").glob("*.yaml")):
        for document in yaml.safe_load_all(file.read_text(encoding="utf-8")):
            yield file.stem, document


def pods(document: dict[str, Any]) -> Iterator[tuple[dict[str, str], dict[str, Any]]]:
    """The labels and the specification of every pod that a manifest starts."""
    if document["kind"] == "DaskCluster":
        for part in ("scheduler", "worker"):
            given = document["spec"][part]
            yield given["metadata"]["labels"], given["spec"]
    elif document["kind"] in {"Deployment", "Job"}:
        given = document["spec"]["template"]
        yield given["metadata"]["labels"], given["spec"]


def test_no_pod_runs_as_root_and_the_policy_covers_all() -> None:
    (policy,) = (document["spec"] for _, document in manifests() if document["kind"] == "NetworkPolicy")
    covered = policy["podSelector"]["matchLabels"].items()
    images = {service["image"] for service in read_services("compose.yaml").values()}
    found = [pod for _, document in manifests() for pod in pods(document)]
    assert len(found) == 5
    for labels, pod in found:
        assert covered <= labels.items()
        assert pod["securityContext"]["runAsNonRoot"]
        for container in pod["containers"]:
            assert container["image"] in images
            assert container["securityContext"]["allowPrivilegeEscalation"] is False


def test_kubernetes_starts_what_compose_starts() -> None:
    ours = read_services("compose.yaml")
    commands: dict[str, list[list[str]]] = {}
    for _, document in manifests():
        for _, pod in pods(document):
            for container in pod["containers"]:
                commands.setdefault(container["name"], []).append(container.get("command", container.get("args")))
    for command in commands["worker"]:
        named = command.index("--name") if "--name" in command else len(command)
        given = command[:named] + command[named + 2 :]
        assert given[:3] == ["dask", "cuda", "worker"]
        assert given[4:] == ours["gpu-worker"]["entrypoint"][4:]
    (job,) = commands["compare"]
    assert [word for word in ours["gpu-job"]["command"] if word.startswith("--")] == [
        word for word in [*job[:-2], "--model", *job[-2:]] if word.startswith("--")
    ]


def test_what_the_job_connects_to_is_a_service() -> None:
    services_of = {document["metadata"]["name"] for _, document in manifests() if document["kind"] == "Service"}
    # The operator calls a cluster's service by its name and -scheduler.
    services_of |= {
        f"{document['metadata']['name']}-scheduler" for _, document in manifests() if document["kind"] == "DaskCluster"
    }
    (job,) = (pod for _, document in manifests() if document["kind"] == "Job" for _, pod in pods(document))
    assert services_of == {"gapscope-scheduler"}
    assert job["containers"][0]["args"][-1] == "tcp://gapscope-scheduler:8786"
