#!/usr/bin/env bash
# Neighbours, maps, clusters and numbers on a GPU: are they right, how fast are they, and the whole job.
# From a bare machine with torch, unattended, in under 20 minutes; JSON files go to benchmarks/results/gpu. --help says more.
script=layout
. "$(dirname "$0")/environment.sh"
"$python" -m gpu.run layout "${given[@]}"
