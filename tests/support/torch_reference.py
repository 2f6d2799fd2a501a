#!/usr/bin/env python3
"""Writes tests/layer/transformer_reference.hpp: what PyTorch makes of one encoder and one decoder layer.

    python3 tests/support/torch_reference.py > tests/layer/transformer_reference.hpp

Needs PyTorch (Debian: python3-torch); the test that reads the header does not. Pre-norm layers of width 8, 2 heads, 16 hidden
units, two samples of different lengths, in double. Inputs and weights follow number(), which the test repeats.
"""
import sys
import textwrap

import torch

WIDTH, HEADS, HIDDEN, SAMPLES = 8, 2, 16, 2
SOURCE, TARGET = [5, 3], [4, 2]  # lengths


def number(i, stream):
    """The i-th number of a stream, in [-1/2, 1/2): integers alone until the division."""
    return ((i * i * 31 + i * 17 + stream * 53) % 101) / 101 - 0.5


def filled(shape, stream):
    count = int(torch.tensor(shape).prod())
    return torch.tensor([number(i, stream) for i in range(count)], dtype=torch.float64).reshape(shape)


def padding(lengths):
    longest = max(lengths)
    return torch.tensor([[p >= n for p in range(longest)] for n in lengths])


def write(name, tensor):
    values = ", ".join(f"{v:.9g}" for v in tensor.detach().flatten().tolist())
    print("\n".join(textwrap.wrap(f"inline constexpr double {name}[] = {{{values}}};", 125, subsequent_indent="    ")))


def main():
    settings = dict(d_model=WIDTH, nhead=HEADS, dim_feedforward=HIDDEN, dropout=0.0, activation="relu", norm_first=True,
                    batch_first=True, dtype=torch.float64)
    encoder = torch.nn.TransformerEncoderLayer(**settings)
    decoder = torch.nn.TransformerDecoderLayer(**settings)
    parameters = [("encoder_" + n, p) for n, p in encoder.named_parameters()]
    parameters += [("decoder_" + n, p) for n, p in decoder.named_parameters()]
    with torch.no_grad():
        for stream, (name, p) in enumerate(parameters):
            values = filled(p.shape, stream + 10)
            p.copy_(values + 1 if "norm" in name and name.endswith("weight") else values)

    x = filled([SAMPLES, max(SOURCE), WIDTH], 1).requires_grad_()
    t = filled([SAMPLES, max(TARGET), WIDTH], 2).requires_grad_()
    dy = filled([SAMPLES, max(TARGET), WIDTH], 3)
    causal = torch.triu(torch.ones(max(TARGET), max(TARGET), dtype=torch.bool), diagonal=1)
    memory = encoder(x, src_key_padding_mask=padding(SOURCE))
    y = decoder(t, memory, tgt_mask=causal, tgt_key_padding_mask=padding(TARGET), memory_key_padding_mask=padding(SOURCE))
    (y * dy).sum().backward()

    print("// One encoder and one decoder layer as PyTorch computes them, in PyTorch's layouts: outputs, and gradients of the")
    print("// inputs and of all parameters. Written by tests/support/torch_reference.py.")
    print("#pragma once\n\n// clang-format off\nnamespace foal::test::reference {\n")
    write("memory", memory)
    write("y", y)
    write("dx", x.grad)
    write("dt", t.grad)
    for name, p in parameters:
        write(name.replace(".", "_"), p.grad)
    print("\n}  // namespace foal::test::reference")
    print("PyTorch", torch.__version__, file=sys.stderr)


main()
