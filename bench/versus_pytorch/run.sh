#!/usr/bin/env bash
# foal's training steps against PyTorch's, eager and compiled, on versus_libtorch_bench's workloads.
#
# ./bench/versus_pytorch/run.sh [--quick] [--rounds N] [--starts N] [--threads 1|2] [--workload PART] [--json FILE]
#
# Sets up PyTorch and foal's program in build-rivals (FOAL_RIVALS: another folder). --quick: few rounds, three workloads.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
. "$root/bench/support/rivals.sh"
need_pytorch
here=$root/bench/versus_pytorch networks=$root/bench/versus_libtorch
build foal_workloads "$here/foal_side.cpp" "$networks"/{mlp,resnet20,resnet50,transformer}.cpp
exec $first "$python" "$here/versus_pytorch.py" "$work" "$@"
