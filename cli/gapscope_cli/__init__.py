"""The command line of gapscope: it reads options, calls the library, and shows progress."""
