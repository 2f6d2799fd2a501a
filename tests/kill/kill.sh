#!/bin/sh
# Kills a program that trains with checkpoints (trains.cpp) at random moments, starts it again until it has come to its end,
# and compares its weights, the best ones too, with those of a run that nobody has killed, byte by byte.
#   kill.sh PROGRAM [--trials N] [--signal KILL|TERM|INT] [--folder DIR] [--every UPDATES] [--memory UPDATES]
#           [--launcher MPIRUN --processes N [--victim rank|all|launcher]]
# Prints for each trial how often it was killed, and at the end how many updates were done again at most. Of a run that was
# told to end (TERM, INT) the status must be 128 + signal.
# With a launcher each start is one of 1 to N processes, and the signal goes to one of them, to all of them and the launcher
# at once, or to the launcher, which passes it on; the launcher's status must say that it did not end well, and nothing of it
# may live on.
set -eu
program=$1
shift
trials=10 signal=KILL folder= every=50 memory=0 launcher= processes=1 victim=rank
while [ $# -gt 1 ]; do
  case $1 in
    --trials) trials=$2 ;;
    --signal) signal=$2 ;;
    --folder) folder=$2 ;;
    --every) every=$2 ;;
    --memory) memory=$2 ;;
    --launcher) launcher=$2 ;;
    --processes) processes=$2 ;;
    --victim) victim=$2 ;;
    *) echo "kill.sh: cannot read '$1', because it is no option; leave it out" >&2; exit 2 ;;
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

random() { echo $(( $(od -An -N4 -tu4 /dev/urandom) % $1 )); }
now() { date +%s%N; }
# All that a process has begun, and what that has.
below() {
  for child in $(ps -o pid= --ppid "$1" 2> /dev/null); do
    echo "$child"
    below "$child"
  done
}
# Those among them that train.
ranks_of() {
  for one in $(below "$1"); do
    [ "$(readlink "/proc/$one/exe" 2> /dev/null)" = "$(readlink -f "$program")" ] && echo "$one"
  done
}
lives() { kill -0 "$1" 2> /dev/null && [ "$(ps -o stat= -p "$1" | cut -c1)" != Z ]; }

# How many updates a job has begun that those before it had begun too: trains.cpp has written its first and its last.
# most_updates: the last one that any job of the trial has begun.
repeats() {
  set -- $(od -An -t d8 "$folder/run.safetensors.updates" 2> /dev/null || echo 0 0)
  rm -f "$folder/run.safetensors.updates"
  [ "$1" -eq 0 ] && return
  again=$((most_updates - $1 + 1))
  [ "$most_updates" -gt 0 ] && [ "$again" -gt "$most_again" ] && most_again=$again
  [ "$2" -gt "$most_updates" ] && most_updates=$2
  return 0
}

begin=$(now)
"$program" "$folder/whole" "$folder/whole.safetensors" "$every" > "$folder/whole.log"
lasts=$(( ($(now) - begin) / 1000000 ))
echo "a run that nobody kills lasts $lasts ms"
count=0 times=
while [ -n "$launcher" ] && [ "$count" -lt "$processes" ]; do
  count=$((count + 1)) begin=$(now)
  rm -rf "$folder/many" "$folder/many.safetensors"*
  "$launcher" -n "$count" "$program" "$folder/many" "$folder/many.safetensors" "$every" 1 > "$folder/many.log" 2>&1
  times="$times $(( ($(now) - begin) / 1000000 ))"
  for end in "" .best; do cmp "$folder/whole.safetensors$end" "$folder/many.safetensors$end"; done
done
[ -z "$launcher" ] || echo "in 1 to $processes processes:$times ms"

kills=0 trial=0 longest=0 most_again=0
while [ "$trial" -lt "$trials" ]; do
  trial=$((trial + 1)) killed=0 most_updates=0
  rm -rf "$folder/run" "$folder/run.safetensors"*
  while :; do
    if [ -z "$launcher" ]; then
      "$program" "$folder/run" "$folder/run.safetensors" "$every" $(($(random 3) + 1)) "$memory" \
        > "$folder/run.log" 2>&1 &
    else
      count=$(($(random "$processes") + 1)) workers=1
      [ "$count" -le 2 ] && workers=$(($(random 2) + 1))
      lasts=$(echo $times | cut -d ' ' -f "$count")
      "$launcher" -n "$count" "$program" "$folder/run" "$folder/run.safetensors" "$every" "$workers" "$memory" \
        > "$folder/run.log" 2>&1 &
    fi
    pid=$!
    sleep "$(awk "BEGIN { printf \"%.3f\", $(random $((lasts * 2 / 3 + 1))) / 1000 }")"
    all=$(below $pid)
    if [ -z "$launcher" ] || [ "$victim" = launcher ]; then
      victims=$pid
    elif [ "$victim" = all ]; then
      victims="$pid $all"
    else
      victims=$(ranks_of $pid | shuf -n 1)
    fi
    begin=$(now) sent=
    for one in $victims; do
      kill -"$signal" "$one" 2> /dev/null && sent=yes
    done
    status=0
    wait "$pid" || status=$?
    for one in $all; do
      while lives "$one"; do
        sleep 0.05
        if [ $(( ($(now) - begin) / 1000000000 )) -ge 30 ]; then
          echo "trial $trial: process $one lives 30 s after signal $signal" >&2
          exit 1
        fi
      done
    done
    repeats
    [ "$status" -eq 0 ] && break
    if [ -z "$launcher" ] && [ "$status" -ne "$expected" ] || [ -z "$sent" ]; then
      echo "trial $trial: it ended with $status where $expected is expected:" >&2
      cat "$folder/run.log" >&2
      exit 1
    fi
    took=$(( ($(now) - begin) / 1000000 ))
    [ "$took" -gt "$longest" ] && longest=$took
    killed=$((killed + 1))
    if [ "$killed" -ge 50 ]; then
      echo "trial $trial: killed 50 times, it has not come to its end" >&2
      exit 1
    fi
  done
  kills=$((kills + killed))
  if ! cmp "$folder/whole.safetensors" "$folder/run.safetensors" ||
     ! cmp "$folder/whole.safetensors.best" "$folder/run.safetensors.best" ||
     [ "$(tail -n 1 "$folder/whole.log")" != "$(tail -n 1 "$folder/run.log")" ]; then
    echo "trial $trial: after $killed kills the weights are others" >&2
    cat "$folder/run.log" >&2
    exit 1
  fi
  echo "trial $trial: killed $killed times, the same weights"
done
[ -z "$launcher" ] || echo "all were gone $longest ms after a kill at the latest"
echo "checkpoints after $every updates at the least; at most $most_again updates were done again"
echo "$trials trials, $kills kills: the same weights each time"
