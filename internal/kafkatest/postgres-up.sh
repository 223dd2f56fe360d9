#!/usr/bin/env bash
# Starts a PostgreSQL of its own on 127.0.0.1, for the tests of examples/postgres.
#
# usage: postgres-up.sh [-p PORT] [-d DIR]
#
#   -p PORT  default 19432
#   -d DIR   data and log (default: postrider-postgres-PORT in the temporary folder). It is
#            kept; postgres-down.sh --wipe removes it. For root, the folders above it must
#            be open to others: the server refuses to run as root
#
# Prints a line for a shell to eval, when the server answers:
#   POSTRIDER_TEST_POSTGRES=postgres://postrider:postrider-secret@127.0.0.1:19432/postrider?sslmode=disable
# for example:  eval "$(internal/kafkatest/postgres-up.sh)"; export POSTRIDER_TEST_POSTGRES
#
# A server that runs is left alone, so starting twice is harmless.
#
# Needs PostgreSQL 12 or newer. On Debian, as root, it installs what is missing, without
# the server of its own that Debian would start.
set -euo pipefail

die() { echo "postgres-up: $*" >&2; exit 1; }
usage() { sed -n '2,/^set -euo/p' "$0" | sed -n 's/^# \{0,1\}//p'; }

port=19432 dir=''
while [ $# -gt 0 ]; do
  case $1 in
    -p) port=$2; shift ;;
    -d) dir=$2; shift ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; die "unknown option $1" ;;
  esac
  shift
done
dir=${dir:-${TMPDIR:-/tmp}/postrider-postgres-$port}
password=postrider-secret

# find_programs sets bin to the folder of initdb and pg_ctl, which Debian keeps off the
# path; the newest release counts.
find_programs() {
  bin=$(printf '%s\n' /usr/lib/postgresql/*/bin/initdb | sort -V | tail -n 1)
  [ -x "$bin" ] || bin=$(command -v initdb) || return 1
  bin=$(dirname "$(readlink -f "$bin")")
}

install() {
  if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    die "PostgreSQL is missing (Debian's name: postgresql)"
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q
  apt-get install -q -y --no-install-recommends postgresql-common
  sed -i 's/^#\?create_main_cluster .*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf
  apt-get install -q -y --no-install-recommends postgresql
}

# unprivileged runs a command as somebody who is not root.
unprivileged() {
  if [ "$(id -u)" -ne 0 ]; then "$@"; else runuser -u postgres -- "$@"; fi
}

create() {
  local owner
  owner=$(id -un)
  [ "$(id -u)" -ne 0 ] || owner=postgres
  mkdir -p "$dir"
  chown "$owner" "$dir"
  unprivileged test -w "$dir" || die "$dir cannot be reached by the user $owner: choose another -d"
  (umask 077 && echo "$password" | unprivileged tee "$dir/password" >/dev/null)
  # Nothing here has to outlive the machine: no fsync.
  unprivileged "$bin/initdb" -D "$dir/data" -U postrider -A scram-sha-256 -E UTF8 --locale=C --no-sync \
    --pwfile="$dir/password" >"$dir/initdb.log"
  unprivileged tee -a "$dir/data/postgresql.conf" >/dev/null <<CONF
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = ''
fsync = off
CONF
  echo 'create database postrider' | unprivileged "$bin/postgres" --single -j -D "$dir/data" postgres >>"$dir/initdb.log" 2>&1
  unprivileged touch "$dir/data/postrider.complete"
}

{
  find_programs || { install && find_programs; } || die 'initdb is nowhere'
  cd / # the server's user may not read where we are
  if [ ! -e "$dir/data/postrider.complete" ]; then
    [ ! -e "$dir/data" ] || die "$dir/data is there and not complete: remove it, or choose another -d"
    create
  fi
  if ! unprivileged "$bin/pg_ctl" -D "$dir/data" status; then
    unprivileged "$bin/pg_ctl" -D "$dir/data" -l "$dir/server.log" -w -t 60 start ||
      { tail -n 20 "$dir/server.log"; die "the server did not start; is port $port free?"; }
  fi
} >&2

echo "POSTRIDER_TEST_POSTGRES=postgres://postrider:$password@127.0.0.1:$port/postrider?sslmode=disable"
