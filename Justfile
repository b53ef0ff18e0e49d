# The commands that developers and CI call; `uv run just` lists them.

_default:
    @just --list

# the quick suite, under five minutes on two idle cores
test *arguments:
    uv run pytest {{arguments}}

# the slow tests
slow *arguments:
    uv run pytest -m slow {{arguments}}

# style, formatting, types, words; the Dockerfile, the workflows, the scripts, and the site of docs/
lint:
    uv run ruff check
    uv run ruff format --check
    uv run mypy
    uv run python .ci/words.py
    uv run --group lint hadolint Dockerfile
    uv run --group lint zizmor --offline --quiet .github
    uv run --group lint check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
    uv run --group lint check-jsonschema --builtin-schema vendor.github-actions .github/actions/*/action.yml
    uv run --group lint check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
    uv run --group lint shellcheck $(grep -lE -d skip '^#!.*bash' .ci/*)
    uv run --group docs zensical build --strict --clean

# the site of docs/ into site/; a broken link fails (`uv run --group docs zensical serve` shows it while you write)
site:
    uv run --group docs zensical build --strict --clean

# fix what can be fixed without you
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

# what stands under "Measured" in docs/reliability.md: kills of both models, and of runs that are split, spread and moved; damage and faults
prove seeds="20":
    #!/usr/bin/env bash
    set -uo pipefail
    try() { uv run run.py selftest "$@" | grep -E "^(PASS|FAIL) [a-z-]+:" | cut -c1-120 | sed "s/^/$* -> /"; }
    for ((seed = 0; seed < {{seeds}}; seed++)); do
        for model in vit_classic vit_differential; do try --kill 5 --seed "$seed" --model "$model"; done
    done
    for model in vit_classic vit_differential; do
        try --kill 10 --model "$model" --micro-batch-size 8
        try --kill 10 --model "$model" --ranks 2
        uv run pytest -m slow tests/scenarios -k moves --moves 10 --scenario-model "$model"
    done
    for seed in 0 1; do uv run pytest -m slow tests/damage --damages 500 --scenario-seed "$seed"; done
    uv run pytest -m slow tests/hub/test_proving.py

