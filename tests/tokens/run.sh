#!/bin/sh
# Compares the tokenizers with the npm packages `tiktoken` and `gpt-tokenizer`, which it installs when the lock file changed.
#
# Environment: GW_COUNT_TOKENS, the program (default build/release/src/count_tokens); GW_SEED, to repeat a run
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
cd "$here/../../tools/tokens"
. "$here/../npm_packages.sh"
npm_packages tokens
exec node --test --test-reporter=spec "$here"/*.test.mjs
