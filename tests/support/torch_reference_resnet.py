#!/usr/bin/env python3
"""Writes tests/zoo/resnet_reference.hpp: what PyTorch makes of a basic block and of a bottleneck with a projection.

    python3 tests/support/torch_reference_resnet.py > tests/zoo/resnet_reference.hpp

Needs PyTorch (Debian: python3-torch); the test that reads the header does not. The blocks are torchvision's, batch norms in
training mode, two samples, in double. Inputs and weights follow number(), which the test repeats, in PyTorch's order of
elements: images [samples, channels, height, width], convolutions [out, in, row, column].
"""
import sys
import textwrap

import torch
from torch import nn

SAMPLES = 2


def number(i, stream):
    """The i-th number of a stream, in [-1/2, 1/2): integers alone until the division."""
    return ((i * i * 31 + i * 17 + stream * 53) % 101) / 101 - 0.5


def filled(shape, stream):
    count = int(torch.tensor(shape).prod())
    return torch.tensor([number(i, stream) for i in range(count)], dtype=torch.float64).reshape(shape)


def write(name, tensor):
    values = ", ".join(f"{v:.9g}" for v in tensor.detach().flatten().tolist())
    print("\n".join(textwrap.wrap(f"inline constexpr double {name}[] = {{{values}}};", 125, subsequent_indent="    ")))


def unit(channels_in, channels_out, kernel, stride=1):
    return nn.Sequential(nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, bias=False),
                         nn.BatchNorm2d(channels_out))


class Basic(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.branch = nn.Sequential(unit(channels, channels, 3), nn.ReLU(), unit(channels, channels, 3))

    def forward(self, x):
        return torch.relu(self.branch(x) + x)


class Bottleneck(nn.Module):
    def __init__(self, channels_in, channels, stride):
        super().__init__()
        self.branch = nn.Sequential(unit(channels_in, channels, 1), nn.ReLU(), unit(channels, channels, 3, stride),
                                    nn.ReLU(), unit(channels, 4 * channels, 1))
        self.projection = unit(channels_in, 4 * channels, 1, stride)

    def forward(self, x):
        return torch.relu(self.branch(x) + self.projection(x))


def run(name, block, image, stream):
    """Parameters have the streams stream + 2, + 3, ... in the order of the stages."""
    block = block.double().train()
    with torch.no_grad():
        for i, (parameter, p) in enumerate(block.named_parameters()):
            values = filled(p.shape, stream + 2 + i)
            p.copy_(values + 1 if p.dim() == 1 and parameter.endswith("weight") else values)
    x = filled([SAMPLES, *image], stream).requires_grad_()
    y = block(x)
    y.backward(filled(y.shape, stream + 1))
    write(f"{name}_y", y)
    write(f"{name}_dx", x.grad)
    units = [m for m in block.modules() if isinstance(m, (nn.Conv2d, nn.BatchNorm2d))]
    for i, m in enumerate(units):
        if isinstance(m, nn.Conv2d):
            write(f"{name}_conv{i // 2}", m.weight.grad)
        else:
            write(f"{name}_gamma{i // 2}", m.weight.grad)
            write(f"{name}_beta{i // 2}", m.bias.grad)
            write(f"{name}_mean{i // 2}", m.running_mean)
            write(f"{name}_variance{i // 2}", m.running_var)


def main():
    print("// A basic block and a bottleneck with a projection as PyTorch computes them, in PyTorch's layouts: outputs, gradients")
    print("// of inputs and parameters, and the norms' running statistics. Written by tests/support/torch_reference_resnet.py.")
    print("#pragma once\n\n// clang-format off\nnamespace foal::test::reference {\n")
    run("basic", Basic(3), [3, 4, 5], 10)
    run("bottleneck", Bottleneck(6, 2, 2), [6, 5, 6], 40)
    print("\n}  // namespace foal::test::reference")
    print("PyTorch", torch.__version__, file=sys.stderr)


main()
