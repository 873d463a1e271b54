#!/usr/bin/env bash
# Installs the peers of `compare` that are no crates: Go and Erlang, as Debian packages them.
set -euo pipefail
apt-get update -qq
apt-get install -y -qq --no-install-recommends golang-go erlang-base
