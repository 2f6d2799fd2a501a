"""PyTorch's side: pytorch_side.py FOLDER MODE THREADS FORMAT [DEVICE PRECISION]

Trains the network that foal's side wrote to FOLDER, MODE eager or compile, FORMAT contiguous or channels_last, as foal tells
it to (bench/support/turns.py). DEVICE cuda: on a GPU, compiled with CUDA graphs, PRECISION float32, tf32, or bf16 with float32
weights."""

import array
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import torch
import torch.nn.functional as F
from turns import serve


def read(folder, name, kind):
    data = array.array(kind)
    with open(f"{folder}/{name}", "rb") as file:
        data.frombytes(file.read())
    return torch.frombuffer(data, dtype={"f": torch.float32, "i": torch.int32}[kind]).clone()


def read_numbers(folder):
    with open(f"{folder}/numbers") as file:
        words = file.read().split()
    return {key: float(value) for key, value in zip(words[::2], words[1::2])}


class Step:
    def __init__(self, line, weights, at):
        self.what, self.name, *numbers = line.split()[:6]
        self.entry, self.kernel, self.stride, self.padding = map(int, numbers)
        self.parameters = []
        for extents in line.split()[6:]:
            sizes = [int(e) for e in extents.split("x")]
            count = 1
            for e in sizes:
                count *= e
            self.parameters.append(weights[at:at + count].view(sizes).clone())
            at += count
        self.end = at


def read_steps(folder):
    weights, steps, at = read(folder, "weights", "f"), [], 0
    with open(f"{folder}/steps") as file:
        for line in file:
            steps.append(Step(line, weights, at))
            at = steps[-1].end
    return steps


class Layers(torch.nn.Module):
    """A network of layers, with skips that are kept beside it."""

    def __init__(self, folder, numbers, format):
        super().__init__()
        self.steps, self.weights = read_steps(folder), torch.nn.ParameterList()
        self.first = []
        for s in self.steps:
            self.first.append(len(self.weights))
            for i, p in enumerate(s.parameters):
                if s.name == "linear" and i == 0:
                    p = p.t().contiguous()
                if s.name == "conv" and i == 0:
                    p = p.permute(3, 2, 0, 1).contiguous(memory_format=format)
                self.weights.append(torch.nn.Parameter(p))
            if s.name == "batch_norm":  # buffers, which CUDA graphs may write
                s.statistics = f"mean{len(self.first)}", f"variance{len(self.first)}"
                for name, make in zip(s.statistics, (torch.zeros_like, torch.ones_like)):
                    self.register_buffer(name, make(s.parameters[0]))
        sizes = [int(numbers[n]) for n in ("height", "width", "channels")]
        x = read(folder, "x", "f")
        self.x = x.view(-1, sizes[2]) if sizes[:2] == [1, 1] else x.view(-1, *sizes).permute(0, 3, 1, 2).contiguous(
            memory_format=format)
        self.y = read(folder, "y", "i").long()

    def samples_to(self, device):
        self.x, self.y = self.x.to(device), self.y.to(device)

    def sample(self, first, size):
        return self.x[first:first + size], self.y[first:first + size]

    def forward(self, x, y):
        return F.cross_entropy(self.scores(x, range(len(self.steps))), y)

    def scores(self, x, steps):
        entry = {0: x}
        for i in steps:
            s = self.steps[i]  # no slice of a ParameterList, which torch.compile breaks its graph at
            p = [self.weights[self.first[i] + k] for k in range(len(s.parameters))]
            if s.what == "save":
                entry[s.entry] = entry[0]
            elif s.what == "add":
                entry[0] = entry[0] + entry.pop(s.entry)
            else:
                entry[s.entry] = self.apply(s, p, entry[s.entry])
        return entry[0]

    def apply(self, s, p, x):
        if s.name == "linear":
            return F.linear(x, p[0], p[1])
        if s.name == "relu":
            return F.relu(x)
        if s.name == "conv":
            return F.conv2d(x, p[0], p[1] if len(p) > 1 else None, s.stride, s.padding)
        if s.name == "batch_norm":
            return F.batch_norm(x, *(getattr(self, n) for n in s.statistics), p[0], p[1], True, 0.1, 1e-5)
        if s.name == "global_avg_pool":
            return x.mean((2, 3))
        if s.name == "flatten":
            return x.flatten(1)
        raise RuntimeError(f"cannot compare a network with the layer {s.name}, because PyTorch's side does not know it; add "
                           "it to Layers.apply")


class Transformer(torch.nn.Module):
    """Norms before, heads side by side in one projection, as PyTorch's own layers have them."""

    def __init__(self, folder, numbers, _):
        super().__init__()
        self.longest, self.vocabulary, self.layers, self.width, self.heads = (
            int(numbers[n]) for n in ("longest", "vocabulary", "layers", "width", "heads"))
        self.weights = torch.nn.ParameterList()
        self.first = []
        for s in read_steps(folder):
            self.first.append(len(self.weights))
            for i, p in enumerate(s.parameters):
                self.weights.append(torch.nn.Parameter(p.t().contiguous() if s.name == "linear" and i == 0 else p))
        self.source, self.target_in, self.target = (read(folder, n, "i").long().view(-1, self.longest)
                                                    for n in ("source", "target_in", "target"))
        length = read(folder, "source_length", "i")
        self.seen = (torch.arange(self.longest) < length[:, None])[:, None, None, :]
        angle = torch.arange(self.longest, dtype=torch.float64)[:, None] / 10000 ** (
            torch.arange(0, self.width, 2, dtype=torch.float64) / self.width)
        self.position = torch.stack((angle.sin(), angle.cos()), -1).flatten(1).float()

    def sample(self, first, size):
        cut = slice(first, first + size)
        return self.source[cut], self.target_in[cut], self.seen[cut], self.target[cut]

    def forward(self, source, target_in, seen, target):
        at = iter(self.first)

        def next_of(count):
            i = next(at)
            return [self.weights[i + k] for k in range(count)]

        def norm(x):
            return F.layer_norm(x, (self.width,), *next_of(2), 1e-5)

        def linear(x):
            return F.linear(x, *next_of(2))

        def embed(tokens):
            return F.embedding(tokens, *next_of(1)) * self.width ** 0.5 + self.position

        def heads(x):
            return x.view(x.size(0), x.size(1), self.heads, -1).transpose(1, 2)

        def attend(q, k, v, mask, causal):
            y = F.scaled_dot_product_attention(heads(q), heads(k), heads(v), mask, is_causal=causal)
            return linear(y.transpose(1, 2).flatten(2))

        def self_attention(x, mask, causal):
            return x + attend(*linear(norm(x)).chunk(3, -1), mask, causal)

        def cross_attention(x, memory):
            q = linear(norm(x))
            return x + attend(q, *linear(memory).chunk(2, -1), seen, False)

        def feed_forward(x):
            return x + linear(F.relu(linear(norm(x))))

        x = embed(source)
        for _ in range(self.layers):
            x = feed_forward(self_attention(x, seen, False))
        memory = norm(x)
        x = embed(target_in)
        for _ in range(self.layers):
            x = feed_forward(cross_attention(self_attention(x, None, True), memory))
        scores = F.linear(norm(x), *next_of(1))
        return F.cross_entropy(scores.view(-1, self.vocabulary), target.reshape(-1))  # ignores -100


class GPT(torch.nn.Module):
    """A decoder alone, norms before, the scores by the embedding's matrix."""

    def __init__(self, folder, numbers, format):
        super().__init__()
        self.longest, self.width, self.heads = (int(numbers[n]) for n in ("longest", "width", "heads"))
        self.weights = torch.nn.ParameterList()
        for s in read_steps(folder):
            for i, p in enumerate(s.parameters):
                self.weights.append(torch.nn.Parameter(p.t().contiguous() if s.name == "linear" and i == 0 else p))
        self.source, self.target = (read(folder, n, "i").long().view(-1, self.longest) for n in ("source", "target"))

    def samples_to(self, device):
        self.source, self.target = self.source.to(device), self.target.to(device)

    def sample(self, first, size):
        return self.source[first:first + size], self.target[first:first + size]

    def forward(self, source, target):
        w, at = self.weights, 2
        x = F.embedding(source, w[0]) + w[1]
        heads = lambda t: t.view(t.size(0), self.longest, self.heads, -1).transpose(1, 2)
        norm = lambda x, at: F.layer_norm(x, (self.width,), w[at], w[at + 1], 1e-5)
        while at + 2 < len(w):
            q, k, v = F.linear(norm(x, at), w[at + 2], w[at + 3]).chunk(3, -1)
            a = F.scaled_dot_product_attention(heads(q), heads(k), heads(v), is_causal=True)
            x = x + F.linear(a.transpose(1, 2).flatten(2), w[at + 4], w[at + 5])
            h = F.gelu(F.linear(norm(x, at + 6), w[at + 8], w[at + 9]), approximate="tanh")
            x = x + F.linear(h, w[at + 10], w[at + 11])
            at += 12
        scores = F.linear(norm(x, at), w[0])
        return F.cross_entropy(scores.view(-1, w[0].size(0)), target.reshape(-1))


def trainer_on_gpu(model, numbers, mode, count, size, device, narrow):
    """Losses are asked for at the end alone, and gradients have places of their own: both suit CUDA graphs."""
    model.to(device)
    model.samples_to(device)
    parameters = list(model.parameters())
    for p in parameters:
        p.grad = torch.zeros_like(p)
    fused = {"fused": True} if device == "cuda" else {}
    optimizer = torch.optim.SGD(parameters, lr=numbers["rate"], momentum=numbers["momentum"], **fused)
    graphs = mode == "compile" and device == "cuda"
    loss_of = torch.compile(model, dynamic=False, mode="reduce-overhead" if graphs else None) if mode == "compile" else model
    at, samples = 0, 8 * count * size

    def train(minibatches):
        nonlocal at
        losses = torch.zeros(minibatches, device=device)
        for k in range(minibatches):
            optimizer.zero_grad(set_to_none=False)
            for j in range(count):
                if graphs:
                    torch.compiler.cudagraph_mark_step_begin()
                with torch.autocast(device, torch.bfloat16, enabled=narrow):
                    loss = loss_of(*model.sample(at + j * size, size)) / count
                loss.backward()
                losses[k] += loss.detach()
            optimizer.step()
            at = (at + count * size) % samples
        return losses.tolist()

    return train


def trainer(folder, mode, whole, format, device=None, precision=None):
    numbers = read_numbers(folder)
    minibatch, size = int(numbers["minibatch"]), int(numbers["minibatch" if whole else "microbatch"])
    kind = GPT if numbers.get("gpt") else Transformer if numbers["of_texts"] else Layers
    model = kind(folder, numbers, format)
    samples, count = 8 * minibatch, minibatch // size
    if device is not None:
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
        return trainer_on_gpu(model, numbers, mode, count, size, device, precision == "bf16")
    optimizer = torch.optim.SGD(model.parameters(), lr=numbers["rate"], momentum=numbers["momentum"], fused=True)
    loss_of = torch.compile(model, dynamic=False) if mode == "compile" else model
    at = 0

    def train(minibatches):
        nonlocal at
        losses = []
        for _ in range(minibatches):
            optimizer.zero_grad(set_to_none=True)
            total = 0
            for j in range(count):
                loss = loss_of(*model.sample(at + j * size, size)) / count
                loss.backward()
                total += loss.item()
            optimizer.step()
            losses.append(total)
            at = (at + minibatch) % samples
        return losses

    return train


if __name__ == "__main__":
    folder, mode, threads, format, *gpu = sys.argv[1:]
    torch.set_num_threads(int(threads))
    torch.set_flush_denormal(True)
    where = f", {torch.cuda.get_device_name()}" if gpu[:1] == ["cuda"] else ""
    print(f"PyTorch {torch.__version__}, CPU capability {torch.backends.cpu.get_cpu_capability()}{where}")
    format = getattr(torch, {"contiguous": "contiguous_format"}.get(format, format))
    serve(trainer(folder, mode, int(threads) > 1 and not gpu, format, *gpu))
