#!/usr/bin/env bash
# What foal costs the compiler: time, memory and object size of its umbrella header, the quickstart and two deep nets, with
# every compiler found, beside the limits that foal promises. CPU time is what is judged: a compiler is one thread, and wall
# time follows whatever else the machine does.
#
# ./bench/compile/run.sh [--json FILE] [--repeat N] [--compilers "g++ clang++-16"]    best of N compilations (default 2)
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
json= repeat=2 compilers="g++ clang++-16"
while [ $# -gt 0 ]; do
  case $1 in
    --json | --repeat | --compilers)
      [ $# -ge 2 ] || { echo "cannot use $1, because its value is missing; give one" >&2; exit 2; }
      printf -v "${1#--}" '%s' "$2"
      shift 2 ;;
    *) echo "cannot use '$1', because the options are --json FILE, --repeat N and --compilers \"NAMES\"; use those" >&2; exit 2 ;;
  esac
done
if ! [ -x /usr/bin/time ]; then
  echo "cannot measure, because /usr/bin/time was not found; install it (Debian: time)" >&2
  exit 1
fi

flags=(-std=c++20 -O2 -Wall -Wextra -Wpedantic -Wconversion "-I$root/include" -isystem /usr/include/eigen3)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rows=()

# measure LABEL SOURCE SECONDS MIB BYTES: the limits, - for none
measure() {
  local compiler seconds cpu mib bytes within version i s u k m
  for compiler in $compilers; do
    command -v "$compiler" > /dev/null || continue
    version=$("$compiler" -dumpfullversion -dumpversion)
    cpu=
    for ((i = 0; i < repeat; ++i)); do
      # ccache would answer from memory
      CCACHE_DISABLE=1 /usr/bin/time -q -f '%e %U %S %M' -o "$work/time" "$compiler" "${flags[@]}" -c "$2" -o "$work/object"
      read -r s u k m < "$work/time"
      u=$(awk -v u="$u" -v k="$k" 'BEGIN { printf "%.2f", u + k }')
      if [ -z "$cpu" ] || awk -v a="$u" -v b="$cpu" 'BEGIN { exit !(a < b) }'; then
        seconds=$s cpu=$u mib=$((m / 1024))
      fi
    done
    bytes=$(stat -c %s "$work/object")
    within=$(awk -v s="$cpu" -v a="$3" -v m="$mib" -v b="$4" -v o="$bytes" -v c="$5" \
      'BEGIN { print (a != "-" && s > a) || (b != "-" && m > b) || (c != "-" && o > c) ? "false" : "true" }')
    printf '%-12s %-20s %8s %8s %8s %10s   %s\n' "$1" "${compiler##*/} $version" "$seconds" "$cpu" "$mib" "$bytes" \
      "$([ "$within" = true ] && echo yes || echo "no: limits $3 s, $4 MiB, $5 bytes")"
    rows+=("{\"program\": \"$1\", \"compiler\": \"${compiler##*/} $version\", \"seconds\": $seconds, \"cpu_seconds\": $cpu, \
\"mib\": $mib, \"object_bytes\": $bytes, \"limit_seconds\": ${3/#-/null}, \"limit_mib\": ${4/#-/null}, \
\"limit_object_bytes\": ${5/#-/null}, \"within\": $within}")
  done
}

printf '%-12s %-20s %8s %8s %8s %10s   %s\n' program compiler "wall s" "CPU s" MiB "bytes" "within limits"
measure foal.hpp "$root/bench/compile/umbrella.cpp" 2.5 - -
measure quickstart "$root/examples/quickstart.cpp" 15 1024 -
measure resnet107 "$root/bench/compile/resnet107.cpp" 30 2048 2097152
measure deep107 "$root/bench/compile/deep107.cpp" 30 2048 2097152
if [ -n "$json" ]; then
  {
    echo "["
    for ((i = 0; i < ${#rows[@]}; ++i)); do
      printf '  %s%s\n' "${rows[i]}" "$([ $((i + 1)) -lt ${#rows[@]} ] && echo ,)"
    done
    echo "]"
  } > "$json"
fi
