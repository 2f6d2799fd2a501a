"""Contenders that take turns: each a process of its own, and what is made of their times. Needs Python alone."""

import json
import os
import statistics
import subprocess
import sys


class Refused(Exception):
    """A sentence: cannot X, because Y; Z."""


def run(main):
    """Ends the program with what main() gives: 0 where all that is wanted holds, 1 where not; 2 and a sentence if refused."""
    try:
        sys.exit(main())
    except Refused as e:
        print(e, file=sys.stderr)
        sys.exit(2)


class Contender:
    """A program that trains when it is told to: "train K" and a line end on its standard input, answered by the seconds that
    passed, its processor seconds, and K losses. cpu: of processor seconds is made its time; else of those that passed."""

    def __init__(self, name, command, cpu, environment=None, folder=None, more=()):
        self.name, self.cpu = name, cpu
        start = lambda c: subprocess.Popen(c, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=folder,
                                           env={**os.environ, **(environment or {})})
        self.processes = [start(c) for c in (command, *more)]  # the first one answers
        self.said = []
        while (line := self.processes[0].stdout.readline()) != "ready\n":
            if not line:
                raise Refused(f"cannot measure {name}, because it ended before it was ready; its reason stands above")
            self.said.append(line.strip())

    def ask(self, what):
        try:
            for p in self.processes:
                print(what, file=p.stdin, flush=True)
            line = self.processes[0].stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise Refused(f"cannot go on, because {self.name} ended before it answered; its reason stands above")
        return [float(n) for n in line.split()]

    def losses(self, minibatches):
        return self.ask(f"train {minibatches}")[2:]

    def seconds(self, minibatches):
        """Of a minibatch."""
        return self.ask(f"train {minibatches}")[1 if self.cpu else 0] / minibatches

    def end(self):
        for p in self.processes:
            try:
                p.stdin.close()
            except BrokenPipeError:
                pass  # it has ended
        for p in self.processes:
            try:
                p.wait(timeout=60)
            except subprocess.TimeoutExpired:
                p.kill()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


def take_turns(rounds, *contenders):
    """Each once unmeasured, then round by round, every other one in reverse order. Gives [contender][round]."""
    measures = [[] for _ in contenders]
    for contender in contenders:
        contender()
    for r in range(rounds):
        for i in range(len(contenders)) if r % 2 == 0 else reversed(range(len(contenders))):
            measures[i].append(contenders[i]())
    return measures


def spread(values):
    """Median and quartiles."""
    if len(values) < 2:
        return values[0], values[0], values[0]
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return median, low, high


def ratio(a, b):
    """a / b, round by round."""
    return spread([x / y for x, y in zip(a, b)])


def require_equal(what, ours, theirs, within=1e-4):
    for k, (a, b) in enumerate(zip(ours, theirs)):
        if not abs(a - b) <= within * abs(b):
            raise Refused(f"cannot compare foal with {what}, because in minibatch {k} their losses are {a} and {b}, further "
                          f"apart than {within} of them; look for what differs before measuring")


def row(rival, ours, theirs, **more):
    """A figure: seconds of both sides by round. Prints nothing."""
    a, b, r = spread(ours), spread(theirs), ratio(theirs, ours)
    found = {"rival": rival}
    for name, s, factor in (("ours_ms", a, 1e3), ("theirs_ms", b, 1e3), ("ratio", r, 1)):
        found.update({name: factor * s[0], name + "_low": factor * s[1], name + "_high": factor * s[2]})
    return {**found, "rounds": len(ours), **more}


def text_of(r, wanted=None):
    line = (f"foal {r['ours_ms']:9.2f} ms  {r['rival']} {r['theirs_ms']:9.2f} ms  ratio {r['ratio']:.2f} "
            f"({r['ratio_low']:.2f} .. {r['ratio_high']:.2f})")
    return line if wanted is None else f"{line} wanted {wanted}: {'yes' if r['ratio'] >= wanted else 'NO'}"


def write(path, rows):
    with open(path, "w") as file:
        json.dump(rows, file, indent=1)
        file.write("\n")


def serve(train):
    """A contender's own side: answers until the input ends. train(K) gives K losses."""
    import time

    print("ready", flush=True)
    for line in sys.stdin:
        word, number = line.split()
        if word != "train":
            raise Refused(f"cannot take a turn, because the line {line!r} is no 'train K'; write one")
        passed, cpu = time.perf_counter(), time.process_time()
        losses = train(int(number))
        print(time.perf_counter() - passed, time.process_time() - cpu, *losses, flush=True)
