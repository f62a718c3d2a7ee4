#!/bin/bash
# What every virtual machine runs once before Ray starts: codeplan in ~/venv, and the shared home mounted at /shared.
# The launcher has copied the repository to ~/codeplan and the token to ~/.ray/auth_token.
set -euo pipefail
: "${SHARED_HOME:?set it to the NFS export that all machines mount, as in fs-0123.efs.eu-west-1.amazonaws.com:/}"

sudo apt-get update -qq
sudo apt-get install -y -qq nfs-common python3-venv build-essential python3-dev
sudo mkdir -p /shared
# In fstab, so that a machine that boots again has it; Ray is not started without it (the launcher's file).
grep -q ' /shared nfs4 ' /etc/fstab ||
  echo "$SHARED_HOME /shared nfs4 nfsvers=4.1,hard,nofail,_netdev 0 0" | sudo tee -a /etc/fstab > /dev/null
mountpoint -q /shared || sudo mount /shared
sudo chown "$(id -u):$(id -g)" /shared
chmod 600 ~/.ray/auth_token

cd ~/codeplan
test -x ~/venv/bin/python || python3 -m venv ~/venv
~/venv/bin/pip install --quiet --constraint constraints.txt torch
~/venv/bin/pip install --quiet --constraint constraints.txt . "$@"
