"""Lets foal and torch.distributed.pipelining take turns: run.sh starts it, and has its options.

An MLP 784-512-512-512-10 and ResNet-20, minibatches of 64 in eight microbatches of 8, on two ranks, each on a processor of its
own: foal on two threads and in two processes (MPI), PyTorch in two processes (gloo). Both start from the same weights and see
the same batches; of the synchronous schedules the losses of the first minibatches must agree to 1e-4 of themselves. A time is
the time that passes."""

import argparse
import os
import socket
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
from turns import Contender, require_equal, row, run, take_turns, text_of, write

SAME = {"GPipe": "gpipe", "1F1B": "one_f_one_b", "Interleaved1F1B": "interleaved", "ZBVZeroBubble": "zb_v"}
WANTED = 3.0
MPI = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return str(s.getsockname()[1])


def measure(o, net, theirs):
    """Contenders' names and times: foal by the same schedule and by async_1f1b, then PyTorch."""
    folder, program, port = f"{o.work}/pipelined_{net}", f"{o.work}/foal_pipelined", free_port()
    launch = ["mpirun", "-n", "2", "--bind-to", "none", "--oversubscribe", program]
    sides = []
    try:
        for schedule in (SAME[theirs], "async_1f1b"):
            sides.append(Contender(f"foal {schedule}, two threads", [program, net, schedule, folder], False))
            sides.append(Contender(f"foal {schedule}, two processes", launch + [net, schedule], False, MPI))
        rank = lambda r: [sys.executable, f"{HERE}/pytorch_side.py", folder, theirs, str(r), port]
        sides.append(Contender(f"torch.distributed.pipelining {theirs}", rank(0), False, {"OMP_NUM_THREADS": "1"},
                               more=[rank(1)]))
        with open(f"{folder}/numbers") as file:
            words = file.read().split()
        numbers = {k: float(v) for k, v in zip(words[::2], words[1::2])}
        curves = [s.losses(int(numbers["compared"])) for s in sides]
        for side, curve in zip(sides, curves):
            if "async" not in side.name:
                require_equal(f"{side.name} on {net}", curves[0], curve)
        times = take_turns(o.rounds, *[lambda s=s: s.seconds(int(numbers["timed"])) for s in sides])
        return [s.name for s in sides], times, sides[0].said[0], sides[-1].said[0]
    finally:
        for side in sides:
            side.end()


def main():
    a = argparse.ArgumentParser(description=__doc__)
    a.add_argument("work")
    a.add_argument("--quick", action="store_true")
    a.add_argument("--rounds", type=int)
    a.add_argument("--net", choices=("mlp", "resnet20"))
    a.add_argument("--json")
    o = a.parse_args()
    o.rounds = o.rounds or (2 if o.quick else 5)
    rows, holds = [], True
    for net in [o.net] if o.net else ["mlp", "resnet20"]:
        for theirs in SAME:
            names, times, machine, version = measure(o, net, theirs)
            if not rows:
                print(f"versus_pipelining on {machine}\n{version}, two ranks")
            for name, seconds in zip(names[:-1], times):
                r = row(names[-1], seconds, times[-1], workload=f"{net} microbatch 8", contender=name, machine=machine,
                        version=version)
                print(f"{net:9} {name:35} {text_of(r, WANTED)}", flush=True)
                holds = holds and r["ratio"] >= WANTED
                rows.append(r)
            if o.json:
                write(o.json, rows)
    return 0 if holds else 1


if __name__ == "__main__":
    run(main)
