#!/usr/bin/env bash
# Stops what postgres-up.sh started, and nothing else.
#
# usage: postgres-down.sh [-p PORT] [-d DIR] [--wipe]
#
#   -p, -d  as given to postgres-up.sh
#   --wipe  remove DIR afterwards; refused for a folder that postgres-up.sh did not make
set -euo pipefail

die() { echo "postgres-down: $*" >&2; exit 1; }

port=19432 dir='' wipe=no
while [ $# -gt 0 ]; do
  case $1 in
    -p) port=$2; shift ;;
    -d) dir=$2; shift ;;
    --wipe) wipe=yes ;;
    -h | --help) sed -n '2,/^set -euo/p' "$0" | sed -n 's/^# \{0,1\}//p'; exit 0 ;;
    *) die "unknown option $1" ;;
  esac
  shift
done
dir=${dir:-${TMPDIR:-/tmp}/postrider-postgres-$port}
[ -d "$dir" ] || exit 0
dir=$(cd "$dir" && pwd)

ours() { # ours PID
  { tr '\0' '\n' <"/proc/$1/cmdline" | grep -qxF "$dir/data"; } 2>/dev/null
}

# The first line of the server's own file is its process id.
if pid=$(head -n 1 "$dir/data/postmaster.pid" 2>/dev/null) && ours "$pid"; then
  kill -s INT "$pid" # ends sessions, and writes what there is
  for ((i = 0; i < 200; i++)); do
    ours "$pid" || break
    sleep 0.1
  done
  ! ours "$pid" || die "process $pid did not end in 20 s"
fi
if [ $wipe = yes ]; then
  [ ! -e "$dir/data" ] || [ -e "$dir/data/postrider.complete" ] || die "$dir was not made by postgres-up.sh: not removed"
  rm -rf "$dir"
fi
