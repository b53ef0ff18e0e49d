# The commands that developers and CI call; `uv run just` lists them.

_default:
    @just --list

# the quick suite, under five minutes on two cores
test *arguments:
    uv run pytest {{arguments}}

# the slow tests
slow *arguments:
    uv run pytest -m slow {{arguments}}

# style, formatting, types
lint:
    uv run ruff check
    uv run ruff format --check
    uv run mypy

# mend what can be mended by itself
fix:
    uv run ruff check --fix
    uv run ruff format

# the README's first command and an evaluation, in a folder that is thrown away
smoke:
    #!/usr/bin/env bash
    set -euo pipefail
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    export ISOSCALE_CACHE="$folder/cache"
    uv run run.py train --dataset digits --epochs 2 --checkpoints "$folder/checkpoints"
    uv run run.py evaluate --dataset digits --checkpoints "$folder/checkpoints" --again --json
