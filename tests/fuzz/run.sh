#!/usr/bin/env bash
# Fuzzes every reader with libFuzzer under the address and undefined-behaviour sanitizers, one target after the other.
#
# tests/fuzz/run.sh [--no-install] [--seconds N] [TARGET...]    N: for each target, 600 without; targets: all
# What is found lies in build-fuzz/found/<target>; add it, as small as it can be made, to tests/fuzz/seeds/<target>.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
. "$root/cmake/shell.sh"

seconds=600
targets=()
while [ $# -gt 0 ]; do
  case $1 in
    --no-install) install=no ;;
    --seconds)
      shift
      seconds=${1:-}
      if ! [[ $seconds =~ ^[1-9][0-9]*$ ]]; then
        echo "cannot fuzz for '$seconds' seconds, because that is no whole number above 0; give one" >&2
        exit 2
      fi
      ;;
    *) targets+=("$1") ;;
  esac
  shift
done
if [ ${#targets[@]} -eq 0 ]; then
  for file in "$root"/tests/fuzz/*_fuzz.cpp; do targets+=("$(basename "$file" _fuzz.cpp)"); done
fi
for target in "${targets[@]}"; do
  if [ ! -e "$root/tests/fuzz/${target}_fuzz.cpp" ]; then
    echo "cannot fuzz '$target', because there is no tests/fuzz/${target}_fuzz.cpp; name one that there is" >&2
    exit 2
  fi
done

build=$root/build-fuzz
need_packages cmake ninja-build clang-16 libclang-rt-16-dev libeigen3-dev zlib1g-dev nlohmann-json3-dev catch2
step "configure" "$build/log/configure" configure "$build" -DCMAKE_CXX_COMPILER=clang++-16 -DCMAKE_BUILD_TYPE=Debug \
  -DFOAL_NATIVE=OFF -DFOAL_FUZZ=ON -DFOAL_BUILD_TESTS=ON -DFOAL_BUILD_EXAMPLES=OFF -DFOAL_BUILD_BENCHMARKS=OFF -DFOAL_BUILD_CUDA=OFF
step "build" "$build/log/build" cmake --build "$build" --parallel "$jobs" --target "${targets[@]/%/_fuzz}"

findings=0
for target in "${targets[@]}"; do
  mkdir -p "$build/corpus/$target" "$build/found/$target"
  log=$build/log/$target
  if "$build/tests/fuzz/${target}_fuzz" "$build/corpus/$target" "$root/tests/fuzz/seeds/$target" -max_total_time="$seconds" \
      -max_len=65536 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="$build/found/$target/" > "$log" 2>&1; then
    echo "$target: no finding in $(grep -o 'number_of_executed_units: *[0-9]*' "$log" | grep -o '[0-9]*$') runs"
  else
    findings=$((findings + 1))
    tail -n 40 "$log" >&2
    echo "$target: FOUND something, in $build/found/$target; the whole output is in $log" >&2
  fi
done
echo "${#targets[@]} targets, $findings with a finding"
[ $findings -eq 0 ]
