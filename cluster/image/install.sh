#!/bin/sh
# Installs codeplan and what it needs into the image's environment: install.sh cpu|cuda, from the repository's root.
# PyTorch is there already.
set -eu
accelerator=$1

pip install --constraint constraints.txt setuptools wheel ninja numpy packaging py-cpuinfo psutil pydantic tqdm einops \
  hjson msgpack
# DeepSpeed for this accelerator, so that nothing is compiled when a training starts: with PyTorch's optimizer, which is
# what codeplan uses, ZeRO needs no compiled operation. Its own optimizers (DS_BUILD_CPU_ADAM, DS_BUILD_FUSED_ADAM, which
# needs nvcc) are left out.
DS_ACCELERATOR=$accelerator DS_BUILD_OPS=0 \
  pip install --constraint constraints.txt --no-build-isolation --no-binary deepspeed deepspeed
# boto3 and psycopg2 are for the MLflow server: its object store and its database.
pip install --constraint constraints.txt . boto3 psycopg2-binary
