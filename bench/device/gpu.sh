#!/usr/bin/env bash
# Tests and benchmarks of the CUDA device on one GPU, all that one visit is for.
#
# bench/device/gpu.sh build DIR        compiles the programs into DIR: a GPU is not needed, nvcc, Eigen and Catch2 are
# bench/device/gpu.sh run DIR OUT      runs what DIR has on this machine's GPU, in FOAL_SECONDS (460) at most
# bench/device/gpu.sh all DIR OUT      both; the time counts for the second
#
# Built elsewhere, the programs need of the machine with the GPU: its driver, cuBLAS and cuDNN of the same major versions
# (the toolkit's, or those of a Python with PyTorch), and for the comparison a Python with PyTorch. Where one of these is
# missing, what needs it is skipped, and said so. Each part has a limit of its own, and the rest goes on when one fails. The
# limits add up to more than FOAL_SECONDS, so what is a must comes first: tests, sanitizers, then figures. Status 0: each part
# that was wanted has ended, or was skipped for what the machine lacks; 1: some failed, or had no time.
#
# OUT gets parts.jsonl, a line a part: its name, how it ended, its seconds, the last line that it printed; a .json of figures
# for each benchmark, curves as .jsonl (a line an epoch), traces for ui.perfetto.dev, and a log for each part.
#
# FOAL_ARCH (sm_90), FOAL_NVCC (nvcc), FOAL_EIGEN, FOAL_CATCH, FOAL_CUDNN: where headers are (the folder that has Eigen/Core,
# catch2/catch.hpp; cuDNN's with include/ and lib/). FOAL_JOBS: compilers at a time. FOAL_PYTHON: one with PyTorch.
# FOAL_CIFAR: CIFAR-10's binary version, for the curves. FOAL_PARTS: a regex of the parts that are wanted.
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
what=${1:-}
if [[ ! " build run all " == *" $what "* || -z ${2:-} || ($what != build && -z ${3:-}) ]]; then
  echo "cannot start with '$*', because that is none of: build DIR, run DIR OUT, all DIR OUT; write one of them" >&2
  exit 2
fi
mkdir -p "$2" "${3:-$2}"
programs=$(cd "$2" && pwd)
python=${FOAL_PYTHON:-python3}

# Folders of shared libraries and headers that Python packages bring (nvidia/*/lib).
python_folders() {
  "$python" -c "
import glob, sysconfig
for folder in glob.glob(sysconfig.get_paths()['purelib'] + '/nvidia/*/$1'):
    print(folder)" 2> /dev/null
}

# The folder of the toolkit that nvcc is of.
toolkit() {
  local nvcc
  nvcc=$(command -v "${FOAL_NVCC:-nvcc}") && dirname "$(dirname "$(readlink -f "$nvcc")")"
}

# ---- build ----

# compile OBJECT SOURCE FLAG...: again where a file of foal or the command has changed.
compile() {
  local object=$programs/objects/$1 source=$2 command
  shift 2
  command=("${FOAL_NVCC:-nvcc}" -forward-unknown-to-host-compiler -std=c++20 -O2 -DNDEBUG "-arch=${FOAL_ARCH:-sm_90}"
    "-I$root/include" "-I$root" "${include_options[@]}" "$@" -c "$source" -o "$object")
  if [ "$object" -nt "$newest" ] && [ "$object" -nt "$source" ] &&
    [ "$(cat "$object.command" 2> /dev/null)" = "${command[*]@Q}" ]; then return 0; fi
  rm -f "$object.command"
  echo "compiling $(basename "$source")"
  if ! "${command[@]}" > "$object.log" 2>&1; then
    rm -f "$object"
    echo "cannot build ${source#"$root"/}:" >&2
    grep -m 5 -E 'error|fatal' "$object.log" >&2 || tail -n 5 "$object.log" >&2
    return 1
  fi
  echo "${command[*]@Q}" > "$object.command"
}

# link PROGRAM OBJECT...: the CUDA runtime is linked statically, cuBLAS and cuDNN are found when it starts.
link() {
  local program=$programs/$1 object objects=()
  shift
  for object in "$@"; do
    if [ ! -f "$programs/objects/$object" ]; then
      rm -f "$program"
      return 1
    fi
    objects+=("$programs/objects/$object")
  done
  "${FOAL_NVCC:-nvcc}" -cudart static "-arch=${FOAL_ARCH:-sm_90}" "${objects[@]}" "${library_options[@]}" -lcublas -lcublasLt \
    -lcudnn -lpthread -ldl -o "$program" && strip "$program"
}

build() {
  mkdir -p "$programs/objects"
  newest=$(find "$root/include" "$root/bench" "$root/tests" \( -name '*.hpp' -o -name '*.cuh' -o -name '*.cu' \) \
    -printf '%T@ %p\n' | sort -n | tail -1 | cut -d' ' -f2-)
  local folder jobs=${FOAL_JOBS:-$(nproc)} failed=0 catch2=yes object source
  include_options=()
  library_options=()
  for folder in "${FOAL_EIGEN:-/usr/include/eigen3}" ${FOAL_CATCH:+"$FOAL_CATCH"} ${FOAL_CUDNN:+"$FOAL_CUDNN/include"}; do
    if [ -d "$folder" ]; then include_options+=("-isystem=$folder"); fi
  done
  if [ -n "${FOAL_CUDNN:-}" ]; then library_options+=("-L$FOAL_CUDNN/lib"); fi
  # Of a Python's wheels cuDNN alone, and where the toolkit has none: their other headers are not those of this nvcc.
  if [ -z "${FOAL_CUDNN:-}" ] && [ ! -e /usr/include/cudnn.h ] && [ ! -e "$(toolkit)/include/cudnn.h" ]; then
    for folder in $(python_folders include); do
      if [ -e "$folder/cudnn.h" ]; then include_options+=("-isystem=$folder"); fi
    done
    for folder in $(python_folders lib); do
      if [ ! -e "$folder/libcudnn.so.9" ]; then continue; fi
      mkdir -p "$programs/objects/lib"  # a wheel has no name to link by
      ln -sf "$folder/libcudnn.so.9" "$programs/objects/lib/libcudnn.so"
      library_options+=("-L$programs/objects/lib")
    done
  fi
  if [ ! -e "${FOAL_CATCH:-/usr/include}/catch2/catch.hpp" ]; then
    catch2=no
    echo "left out: the tests, because there is no catch2/catch.hpp; give FOAL_CATCH"
  fi
  if [ ! -e "${FOAL_EIGEN:-/usr/include/eigen3}/Eigen/Core" ] && [ $catch2 = yes ]; then
    catch2=no
    echo "left out: the tests, because there is no Eigen/Core, which their oracle needs; give FOAL_EIGEN"
  fi
  # The longest first.
  {
    printf 'cuda_curve.o %s\n' "$root/bench/device/cuda_curve.cu"
    printf 'cuda_side.o %s\n' "$root/bench/device/cuda_side.cu"
    if [ $catch2 = yes ]; then
      mkdir -p "$programs/objects/units"
      cmake "-DROOT=$root" "-DOUT=$programs/objects/units" -P "$root/cmake/cuda_units.cmake" >&2
      for object in cuda_op_tests.cu cuda_training_tests.cu; do  # one that is as it was is not compiled again
        cmp -s "$programs/objects/units/$object" "$programs/objects/$object" ||
          cp "$programs/objects/units/$object" "$programs/objects/$object"
      done
      printf 'cuda_training_tests.o %s\n' "$programs/objects/cuda_training_tests.cu"
      printf 'cuda_op_tests.o %s\n' "$programs/objects/cuda_op_tests.cu"
      printf 'cuda_main.o %s\n' "$root/tests/cuda_main.cpp"
      printf 'host_apart.o %s\n' "$root/tests/support/host_apart.cpp"
    fi
    printf 'cuda_stages_bench.o %s\n' "$root/bench/device/cuda_stages_bench.cu"
    printf 'cuda_update_bench.o %s\n' "$root/bench/device/cuda_update_bench.cu"
  } > "$programs/objects/list"
  while read -r object source; do
    while [ "$(jobs -r | wc -l)" -ge "$jobs" ]; do wait -n || failed=1; done
    compile "$object" "$source" &
  done < "$programs/objects/list"
  while [ "$(jobs -r | wc -l)" -gt 0 ]; do wait -n || failed=1; done
  local program
  for program in cuda_curve cuda_side cuda_stages_bench cuda_update_bench; do
    link $program $program.o || failed=1
  done
  if [ $catch2 = yes ]; then
    for program in cuda_op_tests cuda_training_tests; do
      link $program $program.o cuda_main.o host_apart.o || failed=1
    done
  fi
  (cd "$programs" && du -sh cuda_* 2> /dev/null)
  return $failed
}

# ---- run ----

# text STRING: as JSON has it. What is not printable ASCII is a question mark.
text() {
  local s
  s=$(printf '%s' "$1" | LC_ALL=C tr '\t' ' ' | LC_ALL=C tr -c '\040-\176' '?')
  s=${s//\\/\\\\}
  printf '"%s"' "${s//\"/\\\"}"
}

# said PART ENDED SECONDS LOG
said() {
  local last=""
  if [ -s "$4" ]; then last=$(grep -a -v '^[[:space:]]*$' "$4" | tail -n 1 | cut -c 1-300); fi
  printf '{"part": "%s", "ended": "%s", "seconds": %s, "said": %s}\n' "$1" "$2" "$3" "$(text "$last")" >> "$out/parts.jsonl"
  printf '%-28s %-12s %4s s  %s\n' "$1" "$2" "$3" "$last"
}

# wanted NAME: whether FOAL_PARTS asks for it.
wanted() { [ -z "${FOAL_PARTS:-}" ] || [[ $1 =~ $FOAL_PARTS ]]; }

# part NAME LIMIT PROGRAM ARGUMENT...: runs it for so many seconds, or for those that are left. Status 1 of a benchmark: it has
# missed what is wanted.
part() {
  local name=$1 limit=$2 begun=$SECONDS status ended log=$out/$1.log
  shift 2
  wanted "$name" || return
  if [ $((deadline - SECONDS)) -lt "$limit" ]; then limit=$((deadline - SECONDS)); fi
  if [ "$limit" -lt 5 ]; then
    echo "no time is left" > "$log"
    said "$name" "no time" 0 "$log"
    return
  fi
  if ! command -v "$1" > /dev/null; then
    echo "there is no $1" > "$log"
    said "$name" skipped 0 "$log"
    return
  fi
  # foal's programs alone are told of libraries: PyTorch knows its own.
  local environment=(PYTHONUNBUFFERED=1 "FOAL_LIBRARIES=$libraries")
  if [ "$1" != "$python" ]; then environment+=("LD_LIBRARY_PATH=$libraries"); fi
  env "${environment[@]}" timeout -k 5 "$limit" "$@" > "$log" 2>&1 < /dev/null
  status=$?
  case $status in
    0) ended=passed ;;
    1) if [[ $name =~ tests$|check$ ]]; then ended='failed (1)'; else ended=missed; fi ;;
    77) ended=skipped ;;
    124 | 137) ended="out of time" ;;
    *) ended="failed ($status)" ;;
  esac
  said "$name" "$ended" $((SECONDS - begun)) "$log"
}

# versus NAME LIMIT WORKLOAD: a part that compares with PyTorch, where there is one.
versus() {
  wanted "$1" || return
  if [ -z "$torch" ]; then
    torch=no
    if "$python" -c 'import torch' 2> /dev/null; then torch=yes; fi
  fi
  if [ "$torch" = no ]; then
    echo "$python cannot import torch" > "$out/$1.log"
    said "$1" skipped 0 "$out/$1.log"
    return
  fi
  part "$1" "$2" "$python" "$root/bench/device/versus_pytorch.py" "$programs/cuda_side" "$work" --workload "$3" \
    --json "$out/$1.json"
}

# curves LIMIT: four runs at a time, for a stage of a small microbatch fills no GPU.
curves() {
  local limit=$1 n method waiting=() FOAL_PARTS=${FOAL_PARTS:-}
  wanted curves || return
  FOAL_PARTS=
  if [ ! -f "${FOAL_CIFAR:-}/test_batch.bin" ]; then
    echo "there is no test_batch.bin in FOAL_CIFAR=${FOAL_CIFAR:-}" > "$out/curves.log"
    said curves skipped 0 "$out/curves.log"
    return
  fi
  if [ $((deadline - SECONDS)) -lt "$limit" ]; then limit=$((deadline - SECONDS)); fi
  for n in 8 16; do
    for method in synchronous pipemare; do
      part "curve_${method}_n$n" "$limit" "$programs/cuda_curve" $method $n $((limit * 2 / 3)) 5120 "$FOAL_CIFAR" \
        "$out/curve_${method}_n$n.jsonl" &
      waiting+=($!)
    done
  done
  wait "${waiting[@]}"
}

measure() {
  out=$(cd "$1" && pwd)
  deadline=$((SECONDS + ${FOAL_SECONDS:-460}))
  rm -f "$out/parts.jsonl"
  work=$(mktemp -d)  # weights, and what PyTorch has compiled: nothing to bring home
  trap 'rm -rf "$work"' EXIT
  torch=
  local folder late
  # Both sides of a comparison by the same libraries, where PyTorch brings its own.
  libraries=${LD_LIBRARY_PATH:-}
  for folder in $(python_folders lib) ${FOAL_CUDNN:+"$FOAL_CUDNN/lib"} "$(toolkit)/lib64"; do
    if [ -d "$folder" ]; then libraries=${libraries:+$libraries:}$folder; fi
  done
  local sanitizer=${FOAL_SANITIZER:-compute-sanitizer} few='[#cuda_test],[#cuda_product_test],[#cuda_normalisation_test]'
  part gpu 10 nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.sm,clocks.mem --format=csv,noheader
  # Those that are a must: 220 s at most.
  part op_tests 60 "$programs/cuda_op_tests" -r compact
  part training_tests 60 "$programs/cuda_training_tests" -r compact
  part memcheck 45 "$sanitizer" --tool memcheck --error-exitcode 9 "$programs/cuda_op_tests" -r compact '-#' "$few"
  part racecheck 45 "$sanitizer" --tool racecheck --error-exitcode 9 "$programs/cuda_op_tests" -r compact '-#' "$few"
  # Figures, by their worth: 475 s at most.
  versus versus_gpt 110 "gpt batch 8"
  versus versus_resnet50 130 "resnet50 batch 128"
  part update 40 "$programs/cuda_update_bench" --json "$out/update.json"
  part stages 60 "$programs/cuda_stages_bench" "$out" --rounds 2 --json "$out/stages.json"
  versus versus_microbatches 60 microbatches
  curves 75
  if [ ! -s "$out/parts.jsonl" ]; then
    echo "cannot run the parts of FOAL_PARTS=${FOAL_PARTS:-}, because no part's name matches it; the names stand in $0" >&2
    return 1
  fi
  echo "$SECONDS s in all; figures and logs are in $out"
  late=$(sed -n 's/^{"part": "\([^"]*\)", "ended": "no time".*/\1/p' "$out/parts.jsonl" | sed 's/^curve_.*/curves/' |
    uniq | paste -s -d ' ')
  if [ -n "$late" ]; then
    echo "cannot give all parts, because FOAL_SECONDS=${FOAL_SECONDS:-460} had no time left for $late; give more, or ask" \
      "for these alone by FOAL_PARTS='^(${late// /|})$'" >&2
  fi
  ! grep -qE '"ended": "(failed|out of time|no time)' "$out/parts.jsonl"
}

status=0
if [ "$what" != run ]; then build || status=1; fi
SECONDS=0
if [ "$what" != build ]; then measure "$3" || status=1; fi
exit $status
