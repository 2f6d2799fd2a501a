#!/usr/bin/env bash
# foal on two threads and in two processes against torch.distributed.pipelining in two, microbatches of 8.
#
# ./bench/versus_pipelining/run.sh [--quick] [--rounds N] [--net mlp|resnet20] [--json FILE]
#
# Sets up PyTorch and foal's program in build-rivals (FOAL_RIVALS: another folder). Needs Open MPI.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
. "$root/bench/support/rivals.sh"
need_pytorch
if ! mpicxx.openmpi --version > /dev/null 2>&1; then
  echo "cannot compare processes, because mpicxx.openmpi was not found; install Open MPI (Debian: libopenmpi-dev)" >&2
  exit 1
fi
here=$root/bench/versus_pipelining
FOAL_CXX=mpicxx.openmpi FOAL_LINK=mpicxx.openmpi more_flags=-DOMPI_SKIP_MPICXX \
  build foal_pipelined "$here"/{foal_side,mlp,resnet20}.cpp
exec $first "$python" "$here/versus_pipelining.py" "$work" "$@"
