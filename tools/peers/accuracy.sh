#!/usr/bin/env bash
# How exact elementary functions are, here and in other systems, on the same points: largest and mean error against double precision.
#
#   tools/peers/accuracy.sh tern [TERN]     this one, built before (target/release/tern), at 16, 18 and 32 fraction bits
#   tools/peers/accuracy.sh mpyc            MPyC 0.11
#   tools/peers/accuracy.sh spu             SPU 0.9.5
#   tools/peers/accuracy.sh crypten         CrypTen 0.4.1, which needs a Python of at most 3.9: PYTHON=python3.9
#
# Packages go to a directory that is removed afterwards.
set -euo pipefail
cd "$(dirname "$0")"
system=${1:?which system}
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
"${PYTHON:-python3}" -m venv "$home/venv"
install() { "$home/venv/bin/pip" --quiet install --no-cache-dir "$@"; }
case "$system" in
  tern)
    install numpy
    "$home/venv/bin/python" with_tern.py "$(realpath "${2:-../../target/release/tern}")" 16 18 32 ;;
  mpyc)
    install mpyc==0.11
    "$home/venv/bin/python" with_mpyc.py ;;
  spu)
    install spu==0.9.5
    "$home/venv/bin/python" with_spu.py ;;
  crypten)
    install torch==1.12.1 'numpy<1.24' omegaconf pyyaml onnx==1.12.0 'protobuf<3.21' pandas scipy typing_extensions
    install --no-deps crypten==0.4.1
    "$home/venv/bin/python" with_crypten.py ;;
  *)
    echo "$system: tern, mpyc, spu or crypten" >&2
    exit 2 ;;
esac
