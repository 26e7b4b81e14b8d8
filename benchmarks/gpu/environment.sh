# Sets up what run_embed.sh and run_layout.sh run in, from a bare machine with torch; sourced by both.
set -euo pipefail

usage() {
    cat <<END
usage: $(basename "$0") [--wheels FOLDER] [--python PYTHON] [--dry] [options of benchmarks/gpu/run.py]

  --wheels FOLDER   wheels of what this machine's Python lacks; they are installed beside it, without a network
  --python PYTHON   the Python that has torch (default: python3)
  --dry             everything with tiny sizes on the CPU, to see that it runs; the results are worth nothing
  --images FOLDER   photographs to use, JPEG or PNG, a few hundred or more
  --only A,B        some of the stages; --seconds N, --out FOLDER and --scratch FOLDER as run.py --help says
END
    exit "$1"
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
python=python3 wheels="" given=()
while [ $# -gt 0 ]; do
    case $1 in
        --wheels) wheels=$(cd "$2" && pwd); shift 2 ;;
        --python) python=$2; shift 2 ;;
        --dry) given+=(--device cpu --tiny); shift ;;
        -h | --help) usage 0 ;;
        *) given+=("$1"); shift ;;
    esac
done

target=$(mktemp -d)
trap 'rm -rf "$target"' EXIT
if [ -n "$wheels" ]; then
    "$python" -m pip install --quiet --no-index --no-deps --no-compile --target "$target" "$wheels"/*.whl
    # RAPIDS asks for a newer nvJitLink than torch brings: it has to be found first.
    newer=$(find "$target" -name 'libnvJitLink.so*' -printf '%h\n' -quit)
    [ -z "$newer" ] || export LD_LIBRARY_PATH="$newer${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
fi
# A checkout that is not installed has no metadata, and runs keep gapscope's version.
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$root/pyproject.toml" | head -1)
mkdir -p "$target/gapscope-$version.dist-info"
printf 'Metadata-Version: 2.1\nName: gapscope\nVersion: %s\n' "$version" > "$target/gapscope-$version.dist-info/METADATA"
export PYTHONPATH="$root/engine:$root/cli:$root/benchmarks:$target${PYTHONPATH:+:$PYTHONPATH}"
cd "$root"
"$python" -m gpu.needs "$script"
