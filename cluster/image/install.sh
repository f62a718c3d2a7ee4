#!/bin/sh
# Installs codeplan and what it needs into the image's environment: install.sh cpu|cuda, from the repository's root.
# PyTorch is there already. DeepSpeed's operations are compiled now, as nodes have no compiler.
set -eu
accelerator=$1

pip install --constraint constraints.txt setuptools wheel ninja numpy packaging py-cpuinfo psutil pydantic tqdm einops \
  hjson msgpack
# DS_BUILD_UTILS: what ZeRO flattens tensors with. DS_BUILD_CPU_ADAM: the optimizer of offloaded states.
DS_ACCELERATOR=$accelerator DS_BUILD_UTILS=1 DS_BUILD_CPU_ADAM=1 \
  pip install --no-build-isolation --no-binary deepspeed "$(grep '^deepspeed==' constraints.txt)"
# boto3 and psycopg2 are for the MLflow server: its object store and its database.
pip install --constraint constraints.txt . boto3 psycopg2-binary
