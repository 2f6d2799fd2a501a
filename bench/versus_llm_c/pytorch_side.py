"""PyTorch's side on GPT-2 124M: pytorch_side.py CHECKPOINT TOKENS MODE THREADS, with files of llm.c's forms, MODE eager or
compile."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import torch
import torch.nn.functional as F
from turns import serve

BATCH, LENGTH, LAYERS, WIDTH, HEADS, VOCABULARY, PADDED, POSITIONS = 4, 64, 12, 768, 12, 50257, 50304, 1024
SIZES = [(PADDED, WIDTH), (POSITIONS, WIDTH)] + [(LAYERS, *s) for s in (
    (WIDTH,), (WIDTH,), (3 * WIDTH, WIDTH), (3 * WIDTH,), (WIDTH, WIDTH), (WIDTH,), (WIDTH,), (WIDTH,), (4 * WIDTH, WIDTH),
    (4 * WIDTH,), (WIDTH, 4 * WIDTH), (WIDTH,))] + [(WIDTH,), (WIDTH,)]


class GPT2(torch.nn.Module):
    def __init__(self, path):
        super().__init__()
        all = torch.from_file(path, size=os.path.getsize(path) // 4, dtype=torch.float32)
        at, read = 256, []
        for size in SIZES:
            count = torch.Size(size).numel()
            read.append(all[at:at + count].view(size))
            at += count
        parameter = lambda p: torch.nn.Parameter(p.clone())
        self.tokens, self.positions = parameter(read[0][:VOCABULARY]), parameter(read[1])
        self.layers = torch.nn.ParameterList(parameter(p[l]) for l in range(LAYERS) for p in read[2:14])
        self.last = torch.nn.ParameterList(map(parameter, read[14:]))

    def forward(self, x, y):
        x = F.embedding(x, self.tokens) + self.positions[:LENGTH]
        heads = lambda t: t.view(BATCH, LENGTH, HEADS, -1).transpose(1, 2)
        for l in range(LAYERS):
            p = self.layers[12 * l:12 * l + 12]
            q, k, v = F.linear(F.layer_norm(x, (WIDTH,), p[0], p[1]), p[2], p[3]).chunk(3, -1)
            a = F.scaled_dot_product_attention(heads(q), heads(k), heads(v), is_causal=True)
            x = x + F.linear(a.transpose(1, 2).flatten(2), p[4], p[5])
            h = F.gelu(F.linear(F.layer_norm(x, (WIDTH,), p[6], p[7]), p[8], p[9]), approximate="tanh")
            x = x + F.linear(h, p[10], p[11])
        scores = F.linear(F.layer_norm(x, (WIDTH,), *self.last), self.tokens)
        return F.cross_entropy(scores.view(-1, VOCABULARY), y.view(-1))


if __name__ == "__main__":
    checkpoint, path, mode, threads = sys.argv[1:]
    torch.set_num_threads(int(threads))
    torch.set_flush_denormal(True)
    model = GPT2(checkpoint)
    tokens = torch.from_file(path, size=os.path.getsize(path) // 2, dtype=torch.int16)[512:].long() & 0xFFFF
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0, fused=True)
    loss_of = torch.compile(model, dynamic=False) if mode == "compile" else model
    at, size = 0, BATCH * LENGTH

    def train(minibatches):
        global at
        losses = []
        for _ in range(minibatches):
            if at + size + 1 > len(tokens):
                at = 0
            optimizer.zero_grad(set_to_none=True)
            loss = loss_of(tokens[at:at + size].view(BATCH, LENGTH), tokens[at + 1:at + size + 1].view(BATCH, LENGTH))
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            at += size
        return losses

    print(f"PyTorch {torch.__version__}, CPU capability {torch.backends.cpu.get_cpu_capability()}")
    serve(train)
