"""Lets foal and PyTorch take turns: run.sh starts it, and has its options.

Both start from the same weights and see the same batches; the losses of the first minibatches must agree to 1e-4 of
themselves. Every contender is a process of its own, one thread of processor 0 (time: processor seconds) or two of both (time
that passes), and sleeps while the others are measured. A start is all contenders begun anew, because where a process's memory
lies changes all its rounds. With two threads foal trains async_1f1b on two workers, another method: losses are not
compared."""

import argparse
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
from turns import Contender, Refused, require_equal, row, run, spread, take_turns, text_of, write

WORKLOADS = ["mlp microbatch 8", "mlp batch 64", "resnet20 batch 64", "resnet20 batch 8", "resnet50 batch 8",
             "transformer batch 16", "transformer batch 16, padded"]
QUICK = ["mlp microbatch 8", "resnet20 batch 8", "transformer batch 16"]
WANTED = {"eager": 1.3, "compile": 1.0}


def contenders(o, work, workload):
    folder = f"{work}/{workload.replace(' ', '_').replace(',', '')}"
    one = o.threads == 1
    pinned = ["taskset", "-c", "0"] if one else []
    environment = {"OMP_NUM_THREADS": str(o.threads), "TORCHINDUCTOR_CACHE_DIR": f"{work}/inductor", "TORCH_LOGS": "-all"}
    ours = Contender("foal", pinned + [f"{work}/foal_workloads", workload, str(o.threads), folder], one)
    theirs = []
    formats = ["contiguous", "channels_last"] if workload.startswith("resnet") else ["contiguous"]
    for mode in ("eager", "compile"):
        for format in formats:
            name = f"PyTorch {mode}" + (" channels_last" if format != "contiguous" else "")
            theirs.append(Contender(name, pinned + [sys.executable, f"{HERE}/pytorch_side.py", folder, mode, str(o.threads),
                                                    format], one, environment))
    with open(f"{folder}/numbers") as file:
        words = file.read().split()
    return ours, theirs, {k: float(v) for k, v in zip(words[::2], words[1::2])}


def measure(o, work, workload):
    """Seconds of a minibatch by name, of all starts behind one another; and what the sides said of themselves."""
    found, said = {}, []
    for start in range(o.starts):
        ours, theirs, numbers = contenders(o, work, workload)
        try:
            said = [ours.said[0], theirs[0].said[0]]
            reference = ours.losses(int(numbers["compared"])) if o.threads == 1 else None
            for side in theirs:
                losses = side.losses(int(numbers["compared"]))
                if reference:
                    require_equal(f"{side.name} on {workload}", reference, losses)
            timed = int(numbers["timed"]) * (1 if o.threads == 1 else 4)
            sides = [ours, *theirs]
            rounds = (o.rounds + start) // o.starts
            for side, seconds in zip(sides, take_turns(rounds, *[lambda s=s: s.seconds(timed) for s in sides])):
                found.setdefault(side.name, []).extend(seconds)
        finally:
            for side in [ours, *theirs]:
                side.end()
    return found, said


def main():
    a = argparse.ArgumentParser(description=__doc__)
    a.add_argument("work")
    a.add_argument("--quick", action="store_true")
    a.add_argument("--rounds", type=int)
    a.add_argument("--starts", type=int)
    a.add_argument("--threads", type=int, choices=(1, 2), default=1)
    a.add_argument("--workload", default="")
    a.add_argument("--json")
    o = a.parse_args()
    o.rounds = o.rounds or (2 if o.quick else 6)
    o.starts = min(o.rounds, o.starts or (1 if o.quick else 2))
    chosen = [w for w in (QUICK if o.quick and not o.workload else WORKLOADS) if o.workload in w]
    if not chosen:
        raise Refused(f"cannot measure --workload {o.workload}, because no workload's name contains it; the names are "
                      f"{', '.join(WORKLOADS)}")
    rows, holds = [], True
    for workload in chosen:
        found, said = measure(o, o.work, workload)
        if not rows:
            print(f"versus_pytorch on {said[0]}\n{said[1]}, {o.threads} thread{'s' if o.threads > 1 else ''} each")
        for mode, wanted in WANTED.items():
            best = min((name for name in found if mode in name), key=lambda name: spread(found[name])[0])
            for name in (n for n in found if mode in n):
                r = row(name, found["foal"], found[name], workload=workload, threads=o.threads, machine=said[0],
                        version=said[1])
                print(f"{workload:28} {text_of(r, wanted if name == best and o.threads == 1 else None)}", flush=True)
                holds = holds and (name != best or o.threads > 1 or r["ratio"] >= wanted)
                rows.append(r)
        if o.json:
            write(o.json, rows)
    return 0 if holds else 1


if __name__ == "__main__":
    run(main)
