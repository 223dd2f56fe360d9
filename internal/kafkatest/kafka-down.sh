#!/usr/bin/env bash
# Stops what kafka-up.sh started, and nothing else: only processes whose id it recorded
# and whose command line names the same folder.
#
# usage: kafka-down.sh [-p PORT] [-d DIR] [--only I] [--kill] [--wipe]
#
#   -p, -d    as given to kafka-up.sh
#   --only I  stop only node I (0-based)
#   --kill    SIGKILL, the end without a goodbye, instead of SIGTERM
#   --wipe    remove DIR afterwards; refused for a folder that kafka-up.sh did not make
set -euo pipefail

die() { echo "kafka-down: $*" >&2; exit 1; }

port=19292 dir='' only='' signal=TERM wipe=no
while [ $# -gt 0 ]; do
  case $1 in
    -p) port=$2; shift ;;
    -d) dir=$2; shift ;;
    --only) only=$2; shift ;;
    --kill) signal=KILL ;;
    --wipe) wipe=yes ;;
    -h | --help) sed -n '2,/^set -euo/p' "$0" | sed -n 's/^# \{0,1\}//p'; exit 0 ;;
    *) die "unknown option $1" ;;
  esac
  shift
done
dir=${dir:-${TMPDIR:-/tmp}/postrider-kafka-$port}
[ -d "$dir" ] || exit 0
dir=$(cd "$dir" && pwd)

ours() { # ours PID NODE_FOLDER
  { tr '\0' '\n' <"/proc/$1/cmdline" | grep -qxF "$2/server.properties"; } 2>/dev/null
}

stopped=()
for pidfile in "$dir"/node*/pid; do
  [ -e "$pidfile" ] || continue
  node=${pidfile%/pid}
  [ -z "$only" ] || [ "${node##*/node}" = "$only" ] || continue
  pid=$(cat "$pidfile")
  if ours "$pid" "$node"; then
    kill -s $signal "$pid"
    stopped+=("$pid $node")
  fi
  rm -f "$pidfile"
done
for entry in "${stopped[@]}"; do
  read -r pid node <<<"$entry"
  for ((i = 0; i < 200; i++)); do
    ours "$pid" "$node" || continue 2
    sleep 0.1
  done
  echo "kafka-down: process $pid did not end in 20 s: killing it" >&2
  kill -s KILL "$pid" 2>/dev/null || true
done
if [ $wipe = yes ]; then
  [ -e "$dir/cluster.id" ] || die "$dir was not made by kafka-up.sh: not removed"
  rm -rf "$dir"
fi
