"""A rank of torch.distributed.pipelining over gloo: pytorch_side.py FOLDER SCHEDULE RANK PORT

Trains the network that foal_side wrote to FOLDER, cut where the products are shared out most evenly, when it is told to
(bench/support/turns.py). The first rank answers."""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "support"), os.path.join(HERE, "..", "versus_pytorch")]
import torch
import torch.distributed as dist
import torch.distributed.pipelining as pipelining
import torch.nn.functional as F
from pytorch_side import Layers, read_numbers
from turns import serve

RANKS = 2
SCHEDULES = {  # class, stages a rank, on a V
    "GPipe": (pipelining.ScheduleGPipe, 1, False),
    "1F1B": (pipelining.Schedule1F1B, 1, False),
    "Interleaved1F1B": (pipelining.ScheduleInterleaved1F1B, 2, False),
    "ZBVZeroBubble": (pipelining.ScheduleZBVZeroBubble, 2, True),
}


class Part(torch.nn.Module):
    """Some steps of a network, which begin and end where no skip is open."""

    def __init__(self, net, steps):
        super().__init__()
        self.scores, self.steps = net.scores, steps
        self.weights = torch.nn.ParameterList(
            net.weights[i] for s in steps for i in range(net.first[s], net.first[s] + len(net.steps[s].parameters)))

    def forward(self, x):
        return self.scores(x, self.steps)


def cuts(net, numbers, parts):
    """Ranges of steps whose products are as even as they can be."""
    pixels, done, cost, open_entries = numbers["height"] * numbers["width"], [0.0], 0.0, set()
    places = []
    for i, s in enumerate(net.steps):
        if s.what == "save":
            open_entries.add(s.entry)
        elif s.what == "add":
            open_entries.discard(s.entry)
        elif s.parameters and s.name in ("conv", "linear"):
            here = pixels / s.stride ** 2 if s.stride else pixels
            if s.name == "linear":
                here = 1
            cost += s.parameters[0].numel() * here
            if s.entry == 0:
                pixels = here
        done.append(cost)
        follows = net.steps[i + 1] if i + 1 < len(net.steps) else None
        if not open_entries and (follows is None or follows.parameters or follows.what == "save"):
            places.append(i + 1)
    found = [0]
    for p in range(1, parts):
        found.append(min((c for c in places if c > found[-1]), key=lambda c: abs(done[c] - cost * p / parts)))
    found.append(len(net.steps))
    return [range(a, b) for a, b in zip(found, found[1:])]


def main():
    folder, name, rank, port = sys.argv[1:]
    rank = int(rank)
    os.sched_setaffinity(0, {rank % os.cpu_count()})
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=RANKS)
    numbers = read_numbers(folder)
    net = Layers(folder, numbers, torch.contiguous_format)
    minibatch, size = int(numbers["minibatch"]), int(numbers["microbatch"])
    kind, each, vee = SCHEDULES[name]
    count = RANKS * each
    mine = [rank, 2 * RANKS - 1 - rank] if vee else list(range(rank, count, RANKS))
    parts = cuts(net, numbers, count)
    stages = [pipelining.PipelineStage(Part(net, parts[s]), s, count, torch.device("cpu")) for s in mine]
    first, last = 0 in mine, count - 1 in mine
    schedule = kind(stages if each > 1 else stages[0], minibatch // size, loss_fn=F.cross_entropy)
    optimizer = torch.optim.SGD([p for s in stages for p in s.submod.parameters()], lr=numbers["rate"],
                                momentum=numbers["momentum"], fused=True)
    at = 0

    def train(minibatches):
        nonlocal at
        told = []
        for _ in range(minibatches):
            optimizer.zero_grad(set_to_none=True)
            x, y = net.sample(at, minibatch)
            losses = []
            schedule.step(*([x] if first else []), target=y if last else None, losses=losses if last else None,
                          return_outputs=False)
            optimizer.step()
            told.append(torch.stack(losses).mean().item() if last else 0.0)
            at = (at + minibatch) % len(net.x)
        all = torch.tensor(told)
        dist.all_reduce(all)  # the others have none
        return all.tolist()

    print(f"PyTorch {torch.__version__}, CPU capability {torch.backends.cpu.get_cpu_capability()}")
    serve(train)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
