#!/usr/bin/env bash
# Decoding and embedding on a GPU: is it right, how fast is it, what binds it, and does the engine hold?
# From a bare machine with torch, unattended, in under 20 minutes; JSON files go to benchmarks/results/gpu. --help says more.
script=embed
. "$(dirname "$0")/environment.sh"
"$python" -m gpu.run embed "${given[@]}"
