# npm_packages NAME: installs what the lock file of the working directory says, when it changed since the last time.
npm_packages() {
  lock=$(cat package.json package-lock.json | sha256sum | cut -d' ' -f1)
  [ "$(cat node_modules/.lock-sum 2>/dev/null || true)" != "$lock" ] || return 0
  echo "$1: installing npm packages"
  npm ci --ignore-scripts --no-audit --no-fund --loglevel=error || return 1
  echo "$lock" > node_modules/.lock-sum
}
