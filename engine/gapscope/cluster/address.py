"""A scheduler's address, looked at before anything connects: does Dask know it, and has it the keys?"""

import ssl
from pathlib import Path

from distributed.comm.addressing import parse_address
from distributed.comm.registry import get_backend
from distributed.security import Security

from gapscope.errors import OptionError

_SETTING = "DASK_DISTRIBUTED__COMM__TLS__"
_ENCRYPTED = ("tls", "wss")


def check_address(address: str) -> None:
    """See that Dask knows an address's protocol, and has the keys for it where it is an encrypted one.

    Keys are Dask's own settings, in its configuration files or the environment. What is no address names a cluster of
    this machine, which does not encrypt.

    Raises:
        OptionError: it does not, or they are missing or cannot be used; or Dask is told to encrypt, and this does not.
    """
    scheme, _ = parse_address(address)
    try:
        get_backend(scheme)
    except ValueError as error:
        raise OptionError(str(error), argument="cluster", value=address) from error
    # Left to connecting, each of these would be an error of Python's own, and not always one that ends.
    security = Security()
    if scheme in _ENCRYPTED:
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
                f"set {_SETTING}{name} to a PEM file; docs/cloud.md says how", argument="cluster", value=address
            )
    for file in (ca, certificate, key):
        # The text of a key may stand in the configuration itself.
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
