"""foal's training step on a GPU against PyTorch's: gpu.sh starts it.

    versus_pytorch.py PROGRAM WORK [--workload PART] [--rounds N] [--json FILE]

PROGRAM is cuda_side. Both sides start from the same weights and see the same batches; the losses of the first minibatches
must agree. Each is a process of its own, and waits while the other is measured. PyTorch has its samples on the GPU, foal
copies them there for each microbatch; foal's results have equal bits on every run, PyTorch's need not have. bf16: float32
weights on both sides; PyTorch's by autocast, so its attention is in bfloat16 too, and foal's in float32. --device cpu:
PyTorch's side without a GPU, to see that the two agree. Status 1: a ratio is below what is wanted."""

import argparse
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
from turns import Contender, Refused, require_equal, row, run, take_turns, text_of, write

# Net, samples of a minibatch and of a microbatch, precision, modes. Compiling a net takes PyTorch a minute.
WORKLOADS = {
    "resnet50 batch 128": ("images", 128, 128, "tf32", ("eager", "compile")),
    "resnet50 batch 128, float32": ("images", 128, 128, "float32", ("eager",)),
    **{f"resnet50 8 microbatches of {m}": ("images", 8 * m, m, "tf32", ("eager",)) for m in (1, 2, 4, 8)},
    "gpt batch 8, bf16": ("texts", 8, 8, "bf16", ("eager", "compile")),
    "gpt batch 8": ("texts", 8, 8, "tf32", ("eager",)),
    "gpt batch 8, float32": ("texts", 8, 8, "float32", ("eager",)),
    "gpt 8 microbatches of 1": ("texts", 8, 1, "tf32", ("eager",)),
}
AGREE = {"float32": 1e-4, "tf32": 1e-2, "bf16": 2e-2}  # of the losses, relative


def wanted(workload, mode):
    if "microbatches" in workload:
        return 3.0
    return {"eager": 1.3, "compile": 1.0}[mode]


def read_numbers(folder):
    with open(f"{folder}/numbers") as file:
        words = file.read().split()
    return {k: float(v) for k, v in zip(words[::2], words[1::2])}


def turn_of(side, seconds=0.4):
    """Gives the seconds of a minibatch in turns of about so many seconds."""
    minibatches = max(1, min(50, int(seconds / side.seconds(1))))
    return lambda: side.seconds(minibatches)


def measure(o, workload, rows):
    """Adds its figures to rows as they come."""
    what, minibatch, microbatch, precision, modes = WORKLOADS[workload]
    folder = f"{o.work}/{workload.replace(' ', '_').replace(',', '')}"
    command = [o.program, what, str(minibatch), str(microbatch), precision, folder]
    libraries = os.environ.get("FOAL_LIBRARIES")
    with Contender("foal", command, False, {"LD_LIBRARY_PATH": libraries} if libraries else None) as ours:
        numbers = read_numbers(folder)
        compared = int(numbers["compared"])
        reference = ours.losses(compared)
        for mode in modes:
            for format in ("contiguous", "channels_last") if what == "images" and mode == "eager" else ("channels_last",):
                name = f"PyTorch {mode}" + (" channels_last" if what == "images" and format == "channels_last" else "")
                side = [sys.executable, f"{HERE}/../versus_pytorch/pytorch_side.py", folder, mode, "4", format, o.device,
                        precision]
                environment = {"TORCHINDUCTOR_CACHE_DIR": f"{o.work}/inductor", "TORCH_LOGS": "-all"}
                begun = time.perf_counter()
                with Contender(name, side, False, environment) as theirs:
                    require_equal(f"{name} on {workload}", reference, theirs.losses(compared), AGREE[precision])
                    ready = time.perf_counter() - begun  # it has compiled by now
                    found = take_turns(o.rounds, turn_of(ours), turn_of(theirs))
                    r = row(name, *found, workload=workload, precision=precision, machine=ours.said[0],
                            version=theirs.said[0], wanted=wanted(workload, mode), seconds_until_ready=ready)
                print(f"{workload:32} {text_of(r, r['wanted'])}", flush=True)
                rows.append(r)
                if o.json:
                    write(o.json, rows)


def main():
    a = argparse.ArgumentParser(description=__doc__)
    a.add_argument("program")
    a.add_argument("work")
    a.add_argument("--workload", default="")
    a.add_argument("--rounds", type=int, default=3)
    a.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    a.add_argument("--json")
    o = a.parse_args()
    chosen = [w for w in WORKLOADS if o.workload in w]
    if not chosen:
        raise Refused(f"cannot measure --workload {o.workload}, because no workload's name contains it; the names are "
                      f"{', '.join(WORKLOADS)}")
    rows, refused = [], []
    for workload in chosen:
        try:
            measure(o, workload, rows)
        except Refused as e:  # the others are measured all the same
            refused.append(str(e))
            print(e, file=sys.stderr, flush=True)
    if refused:
        raise Refused(f"cannot give {len(refused)} of {len(chosen)} workloads; their reasons stand above")
    return int(any(r["ratio"] < r["wanted"] for r in rows))


if __name__ == "__main__":
    run(main)
