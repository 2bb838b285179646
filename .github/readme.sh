#!/usr/bin/env bash
# README.md is nbs/index.ipynb without its code; figures live under nbs/.
set -euo pipefail
cd "$(dirname "$0")/.."
jupyter nbconvert --log-level ERROR --to markdown --no-input --stdout nbs/index.ipynb | sed -e 's#](runs/#](nbs/runs/#g' -e 's#](\([0-9a-z_]*\.ipynb\))#](nbs/\1)#g' | cat -s > README.new
mv README.new README.md
