#!/usr/bin/env bash
# Our checkers and others, side by side on the same histories.
#
#   scripts/compare-checkers.sh [--quick] [--keep DIRECTORY]
#   scripts/compare-checkers.sh --scaling [--quick]
#
# With --scaling ours alone, on ten thousand to ten million operations (one million with --quick), which takes 4 GB of
# disk for a while.
#
# Histories come from simulated databases (checkers/examples/generate.rs). Others run where they are installed:
#
#   elle-cli    ELLE_CLI_JAR names its jar
#   adya        on the PATH, or ADYA names it
#   awdit       on the PATH, or AWDIT names it
#   Porcupine   PORCUPINE names a program that is given a file of operations on registers, one EDN map a line with
#               [key value] for a value, and decides whether each key is linearizable
#
# Each figure is one run from the start of a process to its end, reading and parsing included: CPU seconds (user and
# system), wall clock seconds, and the most memory held. Who takes longer than LIMIT seconds (default 120) is stopped.
# `ratio` is their CPU time over ours. The load of the machine is printed first, because it spoils the wall clock.
set -euo pipefail
cd "$(dirname "$0")/.."

quick=no
keep=
scaling=no
while [ $# -gt 0 ]; do
  case $1 in
    --quick) quick=yes ;;
    --scaling) scaling=yes ;;
    --keep) keep=$2; shift ;;
    *) echo "usage: scripts/compare-checkers.sh [--scaling] [--quick] [--keep DIRECTORY]" >&2; exit 254 ;;
  esac
  shift
done

limit=${LIMIT:-120}
target=${CARGO_TARGET_DIR:-target}
ours=${SPLITBRAIN:-$target/release/splitbrain}
generate=$target/release/examples/generate
directory=${keep:-$(mktemp -d)}
mkdir -p "$directory"
[ -n "$keep" ] || trap 'rm -rf "$directory"' EXIT

if [ -z "${SPLITBRAIN:-}" ]; then
  cargo build --quiet --release -p splitbrain-harness --bin splitbrain
fi
cargo build --quiet --release -p splitbrain-checkers --example generate

adya=${ADYA:-$(command -v adya || true)}
awdit=${AWDIT:-$(command -v awdit || true)}
porcupine=${PORCUPINE:-}
elle=${ELLE_CLI_JAR:+java -jar $ELLE_CLI_JAR}

# Runs a command; sets cpu, wall, mb and status.
measure() {
  local figures=$directory/figures
  status=0
  /usr/bin/time -o "$figures" -f '%U %S %e %M' timeout "$limit" "$@" >"$directory/out" 2>"$directory/err" || status=$?
  read -r user system wall kb < <(tail -n 1 "$figures")
  cpu=$(awk "BEGIN { printf \"%.2f\", $user + $system }")
  mb=$((kb / 1024))
}

# One history in one format, made when it is first asked for.
history() {
  local ending=$1
  [ "$1" != own ] || ending=jsonl
  local file=$directory/$(tr -c 'a-z0-9' '-' <<<"$2")$ending
  file=${file/%-$ending/.$ending}
  # shellcheck disable=SC2086
  [ -s "$file" ] || "$generate" $2 --format "$1" >"$file"
  echo "$file"
}

line() { printf '%-44s %-10s %8s %8s %8s %8s  %s\n' "$@"; }

verdict() {
  case $1 in
    0) echo valid ;;
    1) echo invalid ;;
    2) echo unknown ;;
    124) echo "stopped after $limit s" ;;
    *) echo "exit $1" ;;
  esac
}

# what, history, how we are asked; then for each other tool its name, its format and its command.
compare() {
  local what=$1 shape=$2 asked=$3
  shift 3
  # shellcheck disable=SC2086
  measure "$ours" check $asked "$(history own "$shape")"
  local our_cpu=$cpu
  line "$what" splitbrain "$cpu" "$wall" "$mb" 1 "$(verdict "$status")"
  while [ $# -gt 0 ]; do
    local name=$1 format=$2 command=$3
    shift 3
    if [ -z "${command%% *}" ]; then
      line "" "$name" - - - - "not installed: skipped"
      continue
    fi
    # shellcheck disable=SC2086
    measure $command "$(history "$format" "$shape")"
    line "" "$name" "$cpu" "$wall" "$mb" "$(awk "BEGIN { printf \"%.0f\", $cpu / ($our_cpu > 0.005 ? $our_cpu : 0.005) }")" \
      "$(verdict "$status")"
  done
}

elle_model() { [ -z "$elle" ] || echo "$elle --model $1 --consistency-models $2"; }
adya_model() { [ -z "$adya" ] || echo "$adya check -m $1 -c $2 ${3:-}"; }
awdit_level() { [ -z "$awdit" ] || echo "$awdit check -i $1"; }

# what, history but for the number of operations, how we are asked.
scale() {
  local what=$1 shape=$2 asked=$3 count file
  for count in 10000 100000 1000000 10000000; do
    [ "$count" -le "$largest" ] || continue
    # shellcheck disable=SC2086
    set -- $shape
    file=$(history own "$1 $2 $count ${*:3}")
    # shellcheck disable=SC2086
    measure "$ours" check $asked "$file"
    line "$what, $count" splitbrain "$cpu" "$wall" "$mb" "$(awk "BEGIN { printf \"%.2f\", $cpu * 1e6 / $count }")" "$(verdict "$status")"
    [ -n "$keep" ] || rm "$file"
  done
}

echo "load: $(cut -d ' ' -f 1-3 /proc/loadavg), processors: $(nproc)"
if [ $scaling = yes ]; then
  largest=10000000
  [ $quick = no ] || largest=1000000
  line history checker "cpu s" "wall s" MB "µs each" verdict
  scale "list-append" "strict-serializable list-append" "--workload list-append --model strict-serializable"
  scale "rw-register, linearizable keys" "strict-serializable rw-register" \
    "--workload rw-register --model strict-serializable --keys linearizable"
  scale "register, one key, 100 clients" "strict-serializable register --keys 1 --processes 100" \
    "--workload register --model linearizable"
  scale "sessions, causal" "causal register --processes 20" "--workload sessions --model causal"
  exit
fi
line history checker "cpu s" "wall s" MB ratio verdict

counts="10000 100000 1000000"
[ $quick = no ] || counts="10000 100000"

for count in $counts; do
  for level in strict-serializable snapshot-isolation; do
    compare "list-append, $level, $count" "$level list-append $count" \
      "--workload list-append --model strict-serializable" \
      elle-cli edn "$(elle_model list-append strict-serializable)" \
      adya json "$(adya_model list-append strict-serializable)"
  done
done
compare "list-append, 100000 of 10 steps" "strict-serializable list-append 100000 --micros 10..10" \
  "--workload list-append --model strict-serializable" \
  elle-cli edn "$(elle_model list-append strict-serializable)" \
  adya json "$(adya_model list-append strict-serializable)"
for count in $counts; do
  compare "rw-register, $count" "strict-serializable rw-register $count" \
    "--workload rw-register --model strict-serializable" \
    elle-cli edn "$(elle_model rw-register strict-serializable)" \
    adya json "$(adya_model rw-register strict-serializable)"
  # elle-cli has no option for that.
  compare "rw-register, linearizable keys, $count" "strict-serializable rw-register $count --seed 2" \
    "--workload rw-register --model strict-serializable --keys linearizable" \
    adya json "$(adya_model rw-register strict-serializable --linearizable-keys)"
done
for clients in 5 20 100; do
  compare "register, one key, 10000, $clients clients" \
    "strict-serializable register 10000 --keys 1 --processes $clients" \
    "--workload register --model linearizable" porcupine edn "$porcupine"
done
compare "cas-register, 1000 keys, 1000000, 100 clients" \
  "strict-serializable cas-register 1000000 --keys 1000 --processes 100" \
  "--workload cas-register --model linearizable" porcupine edn "$porcupine"
for level in read-committed read-atomic causal; do
  model=$level
  [ $level != causal ] || model=transactional-causal
  compare "$level, 100000 of 10 steps, 50 sessions" \
    "causal rw-register 100000 --micros 10..10 --processes 50 --info 0" \
    "--workload rw-register --model $model" awdit plume "$(awdit_level $level)"
done
