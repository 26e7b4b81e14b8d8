import json
from pathlib import Path

import dask
import pytest

import gapscope
from gapscope.cluster import check_cluster

MISSING_FILES = {"ca-file": "/nowhere/ca.pem", "client.cert": "/nowhere/cert.pem"}


@pytest.mark.parametrize(
    ("address", "settings", "message"),
    [
        ("tls://host:8786", {}, "set DASK_DISTRIBUTED__COMM__TLS__CA_FILE"),
        ("tls://host:8786", {"tls.ca-file": "/nowhere/ca.pem"}, "set DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT"),
        ("tls://host:8786", {f"tls.{name}": file for name, file in MISSING_FILES.items()}, "no file /nowhere/ca.pem"),
        ("tls://host:8786", {"tls.ca-file": __file__, "tls.client.cert": __file__}, "cannot be used"),
        ("tcp://host:8786", {"require-encryption": True}, "require encryption"),
        ("auto", {"require-encryption": True}, "require encryption"),
        ("carrier-pigeon://host", {}, "unknown address scheme"),
        ("nonsense", {}, "choose one of"),
        ("tcp://host", {}, "no address with a host and a port, like tcp://host:8786"),
        ("tcp://host:port", {}, "no address with a host and a port"),
    ],
)
def test_unusable_addresses_are_refused_before_connecting(
    address: str, settings: dict[str, object], message: str
) -> None:
    with (
        dask.config.set({f"distributed.comm.{name}": value for name, value in settings.items()}),
        pytest.raises(gapscope.OptionError, match=message),
    ):
        check_cluster(address)


@pytest.mark.parametrize("content", ["no json", "[]", "{}"])
def test_a_file_that_is_no_scheduler_file_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "scheduler.json").write_text(content)
    with pytest.raises(gapscope.OptionError, match="not a scheduler file"):
        check_cluster(str(tmp_path / "scheduler.json"))


def test_the_address_in_a_scheduler_file_is_checked(tmp_path: Path) -> None:
    file = tmp_path / "scheduler.json"
    file.write_text(json.dumps({"address": "tcp://host:8786"}))
    assert check_cluster(str(file)) == str(file)
    file.write_text(json.dumps({"address": "tls://host:8786"}))
    with pytest.raises(gapscope.OptionError, match="CA_FILE"):
        check_cluster(str(file))
