#!/bin/sh
# Kills a program that trains with checkpoints (trains.cpp) at random moments, starts it again until it has come to its end,
# and compares its weights with those of a run that nobody has killed, byte by byte.
#   kill.sh PROGRAM [--trials N] [--signal KILL|TERM|INT] [--folder DIR] [--every UPDATES]
# Prints for each trial how often it was killed. Of a run that was told to end (TERM, INT) the status must be 128 + signal.
set -eu
program=$1
shift
trials=10 signal=KILL folder= every=50
while [ $# -gt 1 ]; do
  case $1 in
    --trials) trials=$2 ;;
    --signal) signal=$2 ;;
    --folder) folder=$2 ;;
    --every) every=$2 ;;
    *) echo "kill.sh: cannot read '$1', because it is none of --trials, --signal, --folder, --every; leave it out" >&2; exit 2 ;;
  esac
  shift 2
done
case $signal in TERM) expected=143 ;; INT) expected=130 ;; *) expected=137 ;; esac
made=
if [ -z "$folder" ]; then
  folder=$(mktemp -d)
  made=$folder
fi
trap 'if [ -n "$made" ]; then rm -rf "$made"; fi' EXIT

begin=$(date +%s%N)
"$program" "$folder/whole" "$folder/whole.safetensors" "$every" > "$folder/whole.log"
lasts=$(( ($(date +%s%N) - begin) / 1000000 ))
echo "a run that nobody kills lasts $lasts ms"

kills=0 trial=0
while [ "$trial" -lt "$trials" ]; do
  trial=$((trial + 1)) killed=0
  rm -rf "$folder/run" "$folder/run.safetensors"
  while :; do
    workers=$(( ($(od -An -N2 -tu2 /dev/urandom)) % 3 + 1 ))
    "$program" "$folder/run" "$folder/run.safetensors" "$every" "$workers" > "$folder/run.log" 2>&1 &
    pid=$!
    moment=$(( $(od -An -N4 -tu4 /dev/urandom) % (lasts * 2 / 3 + 1) ))
    sleep "$(awk "BEGIN { printf \"%.3f\", $moment / 1000 }")"
    kill -"$signal" "$pid" 2> /dev/null || true
    status=0
    wait "$pid" || status=$?
    [ "$status" -eq 0 ] && break
    if [ "$status" -ne "$expected" ]; then
      echo "trial $trial: it ended with $status where $expected is expected:" >&2
      cat "$folder/run.log" >&2
      exit 1
    fi
    killed=$((killed + 1))
    if [ "$killed" -ge 50 ]; then
      echo "trial $trial: killed 50 times, it has not come to its end" >&2
      exit 1
    fi
  done
  kills=$((kills + killed))
  if ! cmp "$folder/whole.safetensors" "$folder/run.safetensors" ||
     [ "$(tail -n 1 "$folder/whole.log")" != "$(tail -n 1 "$folder/run.log")" ]; then
    echo "trial $trial: after $killed kills the weights are others" >&2
    cat "$folder/run.log" >&2
    exit 1
  fi
  echo "trial $trial: killed $killed times, the same weights"
done
echo "$trials trials, $kills kills: the same weights each time"
