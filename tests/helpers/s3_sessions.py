"""Closes what S3 file systems have open: s3fs waits a tenth of a second, and what remains warns in another test."""

import fsspec
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
