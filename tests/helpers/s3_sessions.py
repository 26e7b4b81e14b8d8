"""A server that speaks S3, and what S3 file systems have open: s3fs waits a tenth of a second to close it, and what
remains warns in another test."""

from collections.abc import Iterator
from contextlib import contextmanager

import fsspec
import pytest
from fsspec.asyn import sync as sync_of_fsspec
from zarr.core.sync import sync as sync_of_zarr


def close_s3_sessions() -> None:
    """Close the sessions of all S3 file systems of this process, and forget these."""
    for fs in list(fsspec.get_filesystem_class("s3")._cache.values()):
        if fs._s3 is None:
            continue
        if fs.asynchronous:
            # Of Zarr, in whose loop it was opened.
            sync_of_zarr(fs._s3creator.__aexit__(None, None, None))
        else:
            sync_of_fsspec(fs.loop, fs._s3creator.__aexit__, None, None, None)
    fsspec.filesystem("s3").clear_instance_cache()


@contextmanager
def empty_bucket() -> Iterator[str]:
    """Yield the URL of an empty bucket of a server that speaks S3."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "nobody")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        fsspec.filesystem("s3").clear_instance_cache()
        fsspec.filesystem("s3").mkdir("bucket")
        yield "s3://bucket"
        close_s3_sessions()
    server.stop()
