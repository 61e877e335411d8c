# shellcheck shell=bash
# Sourced by the suites, before they change their directory: scripts/env, and what several suites need.
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/env"

: "${PGHOST:?is not set: run scripts/test-outside, which starts a temporary cluster}"

# For scripts: only values, and an error ends it.
psql() {
  command psql -X -q -A -t -v ON_ERROR_STOP=1 "$@"
}

# A generated library as SQL; the arguments are those of generate-library.
library() {
  cargo run --manifest-path "$RECO_ROOT/Cargo.toml" --release -q -p library --bin generate-library -- "$@"
}

# Instead of the one in scripts/env: every suite is called run, so its folder names it.
fail() {
  echo "${PWD##*/}: $*" >&2
  exit 1
}
