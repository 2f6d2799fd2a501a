#!/bin/sh
# Lets one of several processes that train together (lasts.cpp) be killed, stopped, or stay in an op, and looks whether all of
# them end in time.
#   ranks.sh PROGRAM --launcher MPIRUN [--processes N] [--fault KILL|STOP|LOOP] [--trials N] [--stall SECONDS] [--within SECONDS]
# Each trial takes a process by chance. The launcher's status must not be 0, none of the processes may be left, and all that
# within so many seconds of the fault, and of .stall_seconds behind it; where one is stopped or stays in an op, it is named.
set -eu
program=$1
shift
launcher=mpirun processes=3 fault=KILL trials=3 stall=2 within=30
while [ $# -gt 1 ]; do
  case $1 in
    --launcher) launcher=$2 ;;
    --processes) processes=$2 ;;
    --fault) fault=$2 ;;
    --trials) trials=$2 ;;
    --stall) stall=$2 ;;
    --within) within=$2 ;;
    *) echo "ranks.sh: cannot read '$1', because it is no option; leave it out" >&2; exit 2 ;;
  esac
  shift 2
done
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
folder=$(mktemp -d)
all() { cat "$folder"/*.pid 2> /dev/null || true; }
# Those that are there, and more than an entry of their parent's.
living() { for p in $(all); do grep -qs '^State:.*[RSDTt] ' "/proc/$p/status" && echo "$p"; done || true; }
trap 'for p in $(living); do kill -9 "$p"; done; rm -rf "$folder"' EXIT
number() { od -An -N2 -tu2 /dev/urandom; }
milliseconds() { echo $(($(date +%s%N) / 1000000)); }
fail() {
  echo "trial $trial, process $who: $1" >&2
  cat "$folder/log" >&2
  exit 1
}

trial=0 longest=0
while [ "$trial" -lt "$trials" ]; do
  trial=$((trial + 1)) who=$(($(number) % processes))
  rm -f "$folder"/*
  if [ "$fault" = LOOP ]; then stays=$who; else stays=; fi
  "$launcher" -n "$processes" "$program" "$folder" "$stall" $stays > "$folder/log" 2>&1 &
  job=$!
  waited=0
  while [ "$(all | wc -l)" -lt "$processes" ]; do
    waited=$((waited + 1))
    if [ "$waited" -gt 600 ]; then kill "$job" || true; fail "they have not begun within a minute"; fi
    sleep 0.1
  done
  sleep "0.$(($(number) % 10))"
  begin=$(milliseconds)
  if [ "$fault" != LOOP ]; then kill -"$fault" "$(cat "$folder/$who.pid")"; fi
  limit=$(((stall + within) * 1000)) status=
  while [ -z "$status" ]; do
    if ! kill -0 "$job" 2> /dev/null; then
      status=0
      wait "$job" || status=$?
    fi
    if [ "$(($(milliseconds) - begin))" -gt "$limit" ]; then
      kill -9 "$job" 2> /dev/null || true
      fail "the launcher has not come back within $limit ms"
    fi
    sleep 0.05
  done
  while [ -n "$(living)" ]; do
    [ "$(($(milliseconds) - begin))" -le "$limit" ] || fail "processes are left: $(living)"
    sleep 0.05
  done
  took=$(($(milliseconds) - begin))
  [ "$status" -ne 0 ] || fail "the launcher ends with 0"
  case $fault in
    STOP) grep -q "process $who does not answer" "$folder/log" || fail "it is not named" ;;
    LOOP)
      grep -q "process $who: worker 0: has been in U(stage" "$folder/log" || fail "its op is not named"
      grep -q "process $who does not answer" "$folder/log" || fail "it is not named"
      ;;
  esac
  [ "$took" -le "$longest" ] || longest=$took
  echo "trial $trial: process $who, status $status, all gone after $took ms"
done
echo "$trials trials of $fault: all processes gone each time, after $longest ms at most"
