"""Checks what `cluster` names before anything connects: Dask must know the protocol and have its TLS keys."""

import json
import ssl
from pathlib import Path

from distributed.comm.addressing import parse_address, parse_host_port
from distributed.comm.registry import get_backend
from distributed.security import Security

from gapscope.errors import OptionError

_TLS_VARIABLE = "DASK_DISTRIBUTED__COMM__TLS__"
_ENCRYPTED_SCHEMES = ("tls", "wss")
_HOST_AND_PORT_SCHEMES = ("tcp", "tls")

CLUSTERS = ("auto", "inline", "local", "cuda")


def check_cluster(cluster: str, *, starting: bool = False) -> str:
    """Return `cluster` if it names one: one of `CLUSTERS`, a scheduler's address, or the path of a scheduler file.

    Nothing is connected to or started.

    Args:
        cluster: what names a cluster.
        starting: accept a scheduler file that is not written yet.

    Raises:
        OptionError: `cluster` is none of these, the file does not exist or is no scheduler file, or Dask has no TLS
            keys for the address.

    Example:
        >>> check_cluster("tcp://host:8786")
        'tcp://host:8786'
    """
    if is_scheduler_file(cluster):
        if not starting or is_written(cluster):
            check_address(_read_address(cluster))
    elif cluster in CLUSTERS or "://" in cluster:
        check_address(cluster)
    else:
        raise OptionError(
            f"choose one of {', '.join(CLUSTERS)}, an address like tcp://host:8786, or a scheduler file (.json)",
            argument="cluster",
            value=cluster,
        )
    return cluster


def is_scheduler_file(cluster: str) -> bool:
    """Tell whether `cluster` is the path of a scheduler file, which need not exist.

    Example:
        >>> is_scheduler_file("scheduler.json"), is_scheduler_file("tcp://host:8786")
        (True, False)
    """
    return cluster.endswith(".json") and "://" not in cluster


def is_written(file: str) -> bool:
    """Tell whether a scheduler has written its file: Dask creates it empty, and fills it a moment later."""
    path = Path(file).expanduser()
    return path.exists() and not (path.is_file() and path.stat().st_size == 0)


def check_address(address: str) -> None:
    """Check that Dask knows the protocol of `address`, and has TLS keys if the protocol is an encrypted one.

    The keys are settings of Dask, in its configuration files or the environment. An `address` without a protocol is
    the name of a cluster on this machine, such as `local`, which does not encrypt.

    Raises:
        OptionError: Dask does not know the protocol, the port is missing or no number, Dask's TLS keys are missing or
            unusable, or Dask is set to require encryption and `address` is not encrypted.

    Example:
        >>> check_address("tcp://host:8786")
    """
    scheme, location = parse_address(address)
    try:
        get_backend(scheme)
    except ValueError as error:
        raise OptionError(str(error), argument="cluster", value=address) from error
    if "://" in address and scheme in _HOST_AND_PORT_SCHEMES:
        try:
            parse_host_port(location)
        except ValueError as error:
            raise OptionError(
                f"this is no address with a host and a port, like {scheme}://host:8786",
                argument="cluster",
                value=address,
            ) from error
    # While connecting, each of these would raise an error of Python's own, or in some cases never return.
    security = Security()
    if scheme in _ENCRYPTED_SCHEMES:
        _check_keys(address, security)
    elif security.require_encryption:
        raise OptionError(
            "Dask is set to require encryption; name a scheduler with tls://", argument="cluster", value=address
        )


def _read_address(file: str) -> str:
    try:
        return str(json.loads(Path(file).expanduser().read_text(encoding="utf-8"))["address"])
    except OSError as error:
        raise OptionError(
            "there is no such scheduler file; `dask scheduler` writes it", argument="cluster", value=file
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise OptionError(
            "this is not a scheduler file; `dask scheduler` writes one", argument="cluster", value=file
        ) from error


def _check_keys(address: str, security: Security) -> None:
    tls = security.get_tls_config_for_role("client")
    ca, certificate, key = (tls.get(name) for name in ("ca_file", "cert", "key"))
    for name, value in (("CA_FILE", ca), ("CLIENT__CERT", certificate)):
        if not value:
            raise OptionError(
                f"set {_TLS_VARIABLE}{name} to a PEM file; docs/cloud.md says how", argument="cluster", value=address
            )
    for file in (ca, certificate, key):
        # Dask's configuration may also hold the key itself instead of a path.
        if file and "\n" not in file and not Path(file).is_file():
            raise OptionError(
                f"there is no file {file}, which Dask is set to take for TLS", argument="cluster", value=address
            )
    try:
        security.get_connection_args("client")
    except (ssl.SSLError, OSError) as error:
        raise OptionError(
            f"the TLS keys that Dask is set to take cannot be used ({error}): {ca}, {certificate}",
            argument="cluster",
            value=address,
        ) from error
