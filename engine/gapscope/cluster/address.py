"""Checks a scheduler's address before anything connects: Dask must know its protocol and have its TLS keys."""

import ssl
from pathlib import Path

from distributed.comm.addressing import parse_address
from distributed.comm.registry import get_backend
from distributed.security import Security

from gapscope.errors import OptionError

_TLS_VARIABLE = "DASK_DISTRIBUTED__COMM__TLS__"
_ENCRYPTED_SCHEMES = ("tls", "wss")


def check_address(address: str) -> None:
    """Check that Dask knows the protocol of `address`, and has TLS keys if the protocol is an encrypted one.

    The keys are settings of Dask, in its configuration files or the environment. An `address` without a protocol is
    the name of a cluster on this machine, such as `local`, which does not encrypt.

    Raises:
        OptionError: Dask does not know the protocol, its TLS keys are missing or unusable, or Dask is set to require
            encryption and `address` is not encrypted.

    Example:
        >>> check_address("tcp://host:8786")
    """
    scheme, _ = parse_address(address)
    try:
        get_backend(scheme)
    except ValueError as error:
        raise OptionError(str(error), argument="cluster", value=address) from error
    # While connecting, each of these would raise an error of Python's own, or in some cases never return.
    security = Security()
    if scheme in _ENCRYPTED_SCHEMES:
        _check_keys(address, security)
    elif security.require_encryption:
        raise OptionError(
            "Dask is set to require encryption; name a scheduler with tls://", argument="cluster", value=address
        )


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
