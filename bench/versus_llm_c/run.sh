#!/usr/bin/env bash
# A step of GPT-2 124M (4 windows of 64 tokens, AdamW): foal's zoo::gpt against llm.c's train_gpt2.c and PyTorch.
#
# ./bench/versus_llm_c/run.sh [--quick] [--rounds N] [--threads 1|2] [--weights gpt2_124M.bin] [--no-compile]
#   [--ours two|replicas] [--json FILE]
#
# Sets up all three in build-rivals (FOAL_RIVALS: another folder). FOAL_LLM_C: a clone of github.com/karpathy/llm.c, where
# git cannot reach it.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
. "$root/bench/support/rivals.sh"
need_pytorch
here=$root/bench/versus_llm_c
if ! [ -e "$work/llm.c/train_gpt2.c" ]; then
  rm -rf "$work/llm.c"
  if ! git clone --quiet --depth 1 "${FOAL_LLM_C:-https://github.com/karpathy/llm.c}" "$work/llm.c"; then
    echo "cannot compare with llm.c, because git cannot clone it as said above; let it reach github.com, or give" \
      "FOAL_LLM_C=PATH of a clone" >&2
    exit 1
  fi
fi
build foal_gpt2 "$here/foal_side.cpp"
# As its Makefile says.
${CC:-gcc} -Ofast -march=native -Wno-unused-result -fopenmp -DOMP "-I$work/llm.c" "$here/c_side.c" -lm -o "$work/c_gpt2"
exec $first "$python" "$here/versus_llm_c.py" "$work" "$@"
