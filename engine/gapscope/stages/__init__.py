"""The stages of a run, from listing to report, and the pipeline that tells them in order."""
