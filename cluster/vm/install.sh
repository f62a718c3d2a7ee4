#!/bin/bash
# What every virtual machine runs once before Ray starts: codeplan in ~/venv, and the shared home mounted at /shared.
# The launcher has copied the repository to ~/codeplan and the token to ~/.ray/auth_token.
set -euo pipefail
: "${SHARED_HOME:?set it to the NFS export that all machines mount, as in fs-0123.efs.eu-west-1.amazonaws.com:/}"

sudo apt-get update -qq
sudo apt-get install -y -qq nfs-common python3-venv build-essential python3-dev
sudo mkdir -p /shared
mountpoint -q /shared || sudo mount -t nfs4 -o nfsvers=4.1,hard "$SHARED_HOME" /shared
sudo chown "$(id -u):$(id -g)" /shared
chmod 600 ~/.ray/auth_token

cd ~/codeplan
test -x ~/venv/bin/python || python3 -m venv ~/venv
~/venv/bin/pip install --quiet "$(grep '^torch==' constraints.txt)"
~/venv/bin/pip install --quiet --constraint constraints.txt . "$@"
