#!/bin/sh
# Compares the tokenizers with the npm packages `tiktoken` and `gpt-tokenizer`, which it installs when the lock file changed.
#
# Environment: GW_COUNT_TOKENS, the program (default build/release/src/count_tokens); GW_SEED, to repeat a run
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
cd "$here/../../tools/tokens"
lock=$(cat package.json package-lock.json | sha256sum | cut -d' ' -f1)
if [ "$(cat node_modules/.lock-sum 2>/dev/null || true)" != "$lock" ]; then
  echo "tokens: installing npm packages"
  npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
  echo "$lock" > node_modules/.lock-sum
fi
exec node --test --test-reporter=spec "$here"/*.test.mjs
