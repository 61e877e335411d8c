# What the simulations of this folder share: clusters with a clock of their own, readers, days. Sourced by them.
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/env"
cd "$(dirname "${BASH_SOURCE[0]}")"

readonly READERS=1200 BOOKS=500 INTERACTIONS=30000
# The day after the last of the generated library.
readonly FIRST_DAY=2026-01-01
# Without the search for lengths of vectors and numbers of neighbours, which would be half of each night.
readonly TRAINING='{"factors": 50, "neighbours": 50, "trees": 50, "evaluation_users": 1000}'

# From now on it is this moment of the month, for every program with that clock: eight bytes, the lowest first.
clock() {
  local bytes='' at number
  printf -v number '%016x' $(($(date -u -d "$FIRST_DAY + $1 days $2" +%s) - $(date +%s)))
  for at in 14 12 10 8 6 4 2 0; do
    bytes+="\\x${number:at:2}"
  done
  # shellcheck disable=SC2059
  printf "$bytes" | dd of="$RECO_CLOCK" conv=notrunc status=none
}

# world NAME COMMAND [ARGUMENT]...: the command in a cluster with that clock; it finds $RESULTS/NAME, where it leaves what it found.
world() {
  local name=$1 status=0
  shift
  mkdir "$results/$name"
  export RESULTS=$results/$name RECO_CLOCK=$results/$name/clock
  clock 0 00:00
  # Only programs that are started from here on have the other clock.
  LD_PRELOAD=$results/clock.so ../../scripts/with-cluster --conf cluster.conf -- "$@" >"$RESULTS/log" 2>&1 || status=$?
  cat "$RESULTS/log"
  return "$status"
}

# Makes $results, and what the worlds need.
prepare() {
  cargo build --manifest-path "$RECO_ROOT/Cargo.toml" --release -q -p library
  results=$(mktemp -d)
  trap 'kill $(jobs -p) 2>/dev/null || true; wait; rm -rf "$results"' EXIT
  chmod 755 "$results"
  cc -O2 -Wall -Werror -shared -fPIC -o "$results/clock.so" clock.c -ldl
  failed=0
}

# Until one more world may run beside the others. Where one of them fails, $failed is 1.
await_processor() {
  while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do
    wait -n || failed=1
  done
}

await_all() {
  while [ -n "$(jobs -rp)" ]; do
    wait -n || failed=1
  done
}

# Inside of a world: the library, and readers with its hidden tastes.
populate() {
  unset LD_PRELOAD
  export PGOPTIONS='-c client_min_messages=warning'
  "$CARGO_TARGET_DIR/release/generate-library" --users $READERS --books $BOOKS --interactions $INTERACTIONS --seed "$1" --hidden |
    psql >/dev/null
  psql -c "CREATE EXTENSION pg_cron" -c "CREATE EXTENSION reco"
  psql -v seed="$1" -f readers.sql
}

# The readers' day: they come in the morning, open by noon, and have read in the evening.
readers_day() {
  clock "$1" 09:00
  psql -c "CALL juego.manana($1)"
  clock "$1" 12:00
  psql -c "CALL juego.mediodia($1)"
  clock "$1" 21:00
  psql -c "CALL juego.noche($1)"
}

psql() {
  command psql -X -q -A -t -v ON_ERROR_STOP=1 "$@"
}
