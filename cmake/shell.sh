# Sourced by the scripts that people start: installs what is missing, and runs steps with their output in a log.
#
# Needs $root, the top of the tree. Sets $jobs, how many compilers this machine's processors and memory bear.

install=yes

jobs=$(nproc)
memory_jobs=$(awk '/^MemAvailable:/ { print int($2 / 2500000) }' /proc/meminfo 2> /dev/null || true)
if [ "${memory_jobs:-$jobs}" -lt "$jobs" ]; then jobs=$memory_jobs; fi
if [ "$jobs" -lt 1 ]; then jobs=1; fi

# What a package is wanted for: a program of its own that may have come another way, or else nothing but the package.
program_of() {
  case $1 in
    g++) echo g++ ;;
    cmake) echo cmake ;;
    ninja-build) echo ninja ;;
    ccache) echo ccache ;;
    clang-16) echo clang++-16 ;;
    clang-format-16) echo clang-format-16 ;;
  esac
}

is_installed() {
  local program
  program=$(program_of "$1")
  if [ -n "$program" ] && command -v "$program" > /dev/null; then return 0; fi
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2> /dev/null)" = installed ]
}

# need_packages NAME...: installs those that are missing, and says which; with --no-install names them and gives up.
need_packages() {
  local package missing=() as_root=()
  for package in "$@"; do is_installed "$package" || missing+=("$package"); done
  if [ ${#missing[@]} -eq 0 ]; then return 0; fi
  if [ $install = no ]; then
    echo "cannot go on, because these packages are missing: ${missing[*]}; install them, or leave out --no-install" >&2
    exit 1
  fi
  if ! command -v apt-get > /dev/null; then
    echo "cannot install ${missing[*]}, because this machine has no apt-get; install what they hold by its own means" >&2
    exit 1
  fi
  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo > /dev/null; then
      echo "cannot install ${missing[*]}, because this is not root and there is no sudo; run as root: apt-get install ${missing[*]}" >&2
      exit 1
    fi
    as_root=(sudo)
  fi
  echo "installing: ${missing[*]}"
  local log
  log=$(mktemp)
  if ! { "${as_root[@]}" apt-get update &&
         "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"; } \
      > "$log" 2>&1; then
    tail -n 30 "$log" >&2
    echo "cannot install ${missing[*]}, because apt-get failed as shown above" >&2
    exit 1
  fi
  rm -f "$log"
}

# step TITLE LOG COMMAND...: runs the command with its output in LOG, prints the time it took, and the log's end if it fails.
step() {
  local title=$1 log=$2 status=0 start=$SECONDS
  shift 2
  mkdir -p "$(dirname "$log")"
  "$@" > "$log" 2>&1 || status=$?
  if [ $status -eq 0 ]; then
    echo "$title: $((SECONDS - start)) s"
  else
    tail -n 60 "$log" >&2
    echo "$title: failed after $((SECONDS - start)) s with status $status; the whole output is in $log" >&2
  fi
  return $status
}

# configure DIR OPTION...: with Ninja, unless DIR was configured with something else before.
configure() {
  local dir=$1 generator=()
  shift
  if [ ! -e "$dir/CMakeCache.txt" ]; then generator=(-G Ninja); fi
  cmake -S "$root" -B "$dir" "${generator[@]}" "$@"
}

# counts FILE: one line from a JUnit report of ctest, whose outermost element has the counts as attributes.
counts() {
  local key total=0 failures=0 skipped=0 disabled=0
  for key in tests failures skipped disabled; do
    local value
    value=$(grep -o -m 1 "[[:space:]]$key=\"[0-9]*\"" "$1" | head -n 1 | grep -o '[0-9]*')
    case $key in
      tests) total=$value ;;
      *) printf -v "$key" '%s' "$value" ;;
    esac
  done
  skipped=$((skipped + disabled))
  echo "$((total - failures - skipped)) passed, $failures failed, $skipped skipped"
}
