# A training takes at most what it says that it needs. Sourced by the suites of real data.

# The report of a psql session that trained and then printed VmHWM of its backend; the peak has the server's shared buffers
# in it, which are not the training's.
within_estimate() {
  local name=$1 report=$2 needed peak shared
  needed=$(sed -n 's/.*needs up to \([0-9]*\) MB of memory.*/\1/p' <<<"$report")
  peak=$(sed -n 's/^VmHWM:[[:space:]]*\([0-9]*\) kB$/\1/p' <<<"$report")
  shared=$(psql -A -t -c "SELECT pg_size_bytes(current_setting('shared_buffers')) / 1048576")
  echo "$name: a training needs up to $needed MB, the backend's peak was $((peak / 1024)) MB"
  [ $((peak / 1024)) -le $((needed + shared)) ] || { echo "$name: the estimate is too low" >&2; exit 1; }
}
