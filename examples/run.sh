#!/usr/bin/env bash
# The main job: builds examples/compare.cpp, with all that it needs, and runs it with the arguments given.
#
# ./examples/run.sh [--no-install] [arguments of compare]    (--help lists them)
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/cmake/shell.sh"

arguments=()
for argument in "$@"; do
  if [ "$argument" = --no-install ]; then install=no; else arguments+=("$argument"); fi
done

build=$root/build
need_packages g++ cmake ninja-build ccache libeigen3-dev zlib1g-dev libcli11-dev
step "configure" "$build/log/configure" configure "$build" -DCMAKE_BUILD_TYPE=Release -DFOAL_NATIVE=ON \
  -DFOAL_BUILD_EXAMPLES=ON -DFOAL_BUILD_TESTS=OFF -DFOAL_BUILD_BENCHMARKS=OFF -DFOAL_BUILD_CUDA=OFF
step "build" "$build/log/build" cmake --build "$build" --target compare --parallel "$jobs"
exec "$build/examples/compare" "${arguments[@]}"
