"""Lets foal, llm.c's train_gpt2.c and PyTorch take turns on GPT-2 124M: run.sh starts it, and has its options.

All start from the same weights and see the same windows; the losses of the first ten steps must agree to 2e-4 of themselves.
With one thread a time is processor seconds, with two the time that passes."""

import argparse
import array
import os
import random
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
from turns import Contender, require_equal, row, run, spread, take_turns, text_of, write

LAYERS, WIDTH, VOCABULARY, PADDED, POSITIONS = 12, 768, 50257, 50304, 1024


def write_weights(path):
    """Random ones, as GPT-2 begins: normal with deviation 0.02, projections onto the residual less, norms 1 and 0."""
    draw = random.Random(1)
    # Of a few million numbers the beginning is drawn anew for every array: a generator of Python's takes a minute for all.
    pool = array.array("f", (draw.gauss(0, 0.02) for _ in range(1 << 21)))

    def normal(count, scale=1.0):
        values, at = array.array("f"), draw.randrange(len(pool))
        while len(values) < count:
            values.extend(pool[at:at + count - len(values)])
            at = draw.randrange(len(pool))
        return values if scale == 1 else array.array("f", (scale * v for v in values))

    constant = lambda value, count: array.array("f", [value]) * count
    residual = (2 * LAYERS) ** -0.5
    c, l = WIDTH, LAYERS
    with open(path + ".part", "wb") as file:
        array.array("i", [20240326, 3, POSITIONS, VOCABULARY, LAYERS, 12, WIDTH, PADDED] + 248 * [0]).tofile(file)
        normal(VOCABULARY * c).tofile(file)
        constant(0, (PADDED - VOCABULARY) * c).tofile(file)
        normal(POSITIONS * c).tofile(file)
        for values in (constant(1, l * c), constant(0, l * c), normal(l * 3 * c * c), constant(0, l * 3 * c),
                       normal(l * c * c, residual), constant(0, l * c), constant(1, l * c), constant(0, l * c),
                       normal(l * 4 * c * c), constant(0, l * 4 * c), normal(l * 4 * c * c, residual), constant(0, l * c),
                       constant(1, c), constant(0, c)):
            values.tofile(file)
    os.replace(path + ".part", path)


def write_tokens(path):
    """Of a language in which every token has a few that like to follow it, so that there is something to learn."""
    draw = random.Random(2)
    tokens = array.array("H", [0])
    while len(tokens) < 64 * 256 + 1:
        tokens.append((tokens[-1] * 31 + draw.choice((7, 11, 13))) % 4093)
    with open(path, "wb") as file:
        array.array("i", [20240520, 1, len(tokens)] + 253 * [0]).tofile(file)
        tokens.tofile(file)


def main():
    a = argparse.ArgumentParser(description=__doc__)
    a.add_argument("work")
    a.add_argument("--quick", action="store_true")
    a.add_argument("--rounds", type=int)
    a.add_argument("--threads", type=int, choices=(1, 2), default=2)
    a.add_argument("--weights", help="a gpt2_124M.bin of llm.c; without it, random ones are made")
    a.add_argument("--ours", choices=("two", "replicas"), default="replicas", help="foal's way with two threads")
    a.add_argument("--no-compile", action="store_true", help="PyTorch's eager mode alone")
    a.add_argument("--json")
    o = a.parse_args()
    rounds = o.rounds or (1 if o.quick else 5)
    weights, tokens = o.weights or f"{o.work}/gpt2_random.bin", f"{o.work}/gpt2_tokens.bin"
    if not os.path.exists(weights):
        write_weights(weights)
    write_tokens(tokens)

    one = o.threads == 1
    pinned = ["taskset", "-c", "0"] if one else []
    environment = {"OMP_NUM_THREADS": str(o.threads), "TORCHINDUCTOR_CACHE_DIR": f"{o.work}/inductor", "TORCH_LOGS": "-all"}
    sides = []
    begin = lambda name, command: sides.append(Contender(name, pinned + command + [weights, tokens], one, environment))
    try:
        for how in ("one",) if one else (o.ours,):
            sides.append(Contender(f"foal {how}", pinned + [f"{o.work}/foal_gpt2", weights, tokens, how], one, environment))
        ours = len(sides)
        begin("llm.c", [f"{o.work}/c_gpt2"])
        for mode in ("eager",) if o.no_compile else ("eager", "compile"):
            sides.append(Contender(f"PyTorch {mode}", pinned + [sys.executable, f"{HERE}/pytorch_side.py", weights, tokens,
                                                                mode, str(o.threads)], one, environment))
        machine = sides[0].said[0]
        print(f"versus_llm_c on {machine}\n{sides[-1].said[0]}, {o.threads} thread{'s' if o.threads > 1 else ''} each")
        curves = [s.losses(10) for s in sides]
        print("losses of ten steps: " + " ".join(f"{v:.4f}" for v in curves[0]))
        for side, curve in zip(sides[1:], curves[1:]):
            require_equal(side.name, curves[0], curve, 2e-4)
        times = take_turns(rounds, *[lambda s=s: s.seconds(2) for s in sides])
    finally:
        for side in sides:
            side.end()
    best = min(range(ours), key=lambda i: spread(times[i])[0])
    rows, holds = [], True
    for i, side in enumerate(sides):
        if i == best:
            continue
        r = row(side.name, times[best], times[i], workload="gpt2 124M, batch 4, 64 tokens", contender=sides[best].name,
                threads=o.threads, machine=machine)
        print(f"{sides[best].name:14} {text_of(r, 1.0 if i >= ours else None)}")
        holds = holds and (i < ours or r["ratio"] >= 1)
        rows.append(r)
    if o.json:
        write(o.json, rows)
    return 0 if holds else 1


if __name__ == "__main__":
    run(main)
