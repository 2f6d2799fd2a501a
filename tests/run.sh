#!/usr/bin/env bash
# Builds the tests and the examples, with all that they need, and runs the tests.
#
# ./tests/run.sh [--no-install] [-D<name>=<value> for CMake ...]    (FOAL_BUILD_DIR: another place for the build)
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/cmake/shell.sh"

options=()
for argument in "$@"; do
  case $argument in
    --no-install) install=no ;;
    -D?*) options+=("$argument") ;;
    *)
      echo "cannot run the tests with '$argument', because it is neither --no-install nor a -D option; leave it out" >&2
      exit 2
      ;;
  esac
done

build=${FOAL_BUILD_DIR:-$root/build-tests}
need_packages g++ cmake ninja-build ccache libeigen3-dev librange-v3-dev zlib1g-dev libdnnl-dev openmpi-bin libopenmpi-dev \
  mpich libmpich-dev libcli11-dev nlohmann-json3-dev catch2
# -O1: what a test checks does not depend on the level, and most of the time goes to the compiler. -Og takes it two thirds
# of the time, and makes loops that compute half as fast.
step "configure" "$build/log/configure" configure "$build" -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS_RELEASE=-O1 \
  -DFOAL_LITTLE_WORK_FLAGS=-Og -DFOAL_NATIVE=OFF -DFOAL_FEW_UNITS=ON \
  -DFOAL_BUILD_EXAMPLES=ON -DFOAL_BUILD_TESTS=ON -DFOAL_BUILD_BENCHMARKS=OFF "${options[@]}"
step "build" "$build/log/build" cmake --build "$build" --parallel "$jobs"

# One test more than there are processors, for some wait: for a stall to be found, for processes to be gone.
status=0
rm -f "$build/log/results.xml"
step "test" "$build/log/test" ctest --test-dir "$build" --output-on-failure --no-tests=error --label-exclude package \
  --parallel "$(($(nproc) + 1))" --output-junit "$build/log/results.xml" || status=$?
if [ ! -e "$build/log/results.xml" ]; then exit 1; fi

grep -m 1 'tests passed' "$build/log/test" || true
counts "$build/log/results.xml"
exit $status
