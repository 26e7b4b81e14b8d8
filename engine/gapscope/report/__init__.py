"""The page that shows a run: one folder that opens from disk, with no network and no server."""
