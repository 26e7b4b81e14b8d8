"""`python -m gapscope_cli` is `gapscope`."""

from gapscope_cli.main import main

main()
