# What the scripts against other programs share; sourced. $work: a folder of their own, which may be deleted at any time.
work=${FOAL_RIVALS:-$root/build-rivals}
mkdir -p "$work"

# Python of a virtual environment that has PyTorch, in $python. FOAL_PYTHON: another one, which has it.
need_pytorch() {
  python=${FOAL_PYTHON:-$work/venv/bin/python}
  if "$python" -c 'import torch' 2> /dev/null; then return; fi
  if [ -n "${FOAL_PYTHON:-}" ]; then
    echo "cannot compare with PyTorch, because $python cannot import torch; leave out FOAL_PYTHON, or install it there" >&2
    exit 1
  fi
  echo "installing PyTorch into $work/venv (its wheel with CUDA's libraries: 6 GB)"
  if ! { python3 -m venv "$work/venv" && "$work/venv/bin/pip" install --quiet 'torch>=2.11' numpy; }; then
    echo "cannot compare with PyTorch, because python3 -m venv or pip install 'torch>=2.11' failed as said above; install" \
      "python3-venv, let pip reach an index, or give FOAL_PYTHON=PATH of a Python that has torch" >&2
    exit 1
  fi
}

# build PROGRAM SOURCE...: for this machine, compiled side by side; each object again where a file under foal has changed.
build() {
  local program=$1 source flags objects=() waiting=() newest
  shift
  flags=(-std=c++20 -O3 -march=native -DNDEBUG "-I$root/include" -isystem /usr/include/eigen3)
  newest=$(find "$root/include" "$root/bench" -name '*.hpp' -printf '%T@ %p\n' | sort -n | tail -1 | cut -d' ' -f2-)
  mkdir -p "$work/objects"
  for source in "$@"; do
    local object="$work/objects/$(basename "$(dirname "$source")")_$(basename "${source%.cpp}").o"
    objects+=("$object")
    if [ "$object" -nt "$source" ] && [ "$object" -nt "$newest" ]; then continue; fi
    echo "compiling $source"
    ${FOAL_CXX:-g++} "${flags[@]}" ${more_flags:-} -c "$source" -o "$object" &
    waiting+=($!)
    if [ ${#waiting[@]} -ge "$(nproc)" ]; then wait "${waiting[0]}" && waiting=("${waiting[@]:1}"); fi
  done
  for one in "${waiting[@]}"; do wait "$one"; done
  ${FOAL_LINK:-g++} "${objects[@]}" -pthread -o "$work/$program"
}

# The command in front of what is measured: before all that others run, where this user may.
first=
if chrt -r 1 true 2> /dev/null; then first="chrt -r 1"; fi
