#!/usr/bin/env bash
# Builds the example consumers in Python, Java and TypeScript and runs them against a
# real Kafka; see clients.py.
#
# usage: clients.sh BROKERS SENT DIR
#
#   BROKERS   host:port[,...] of a Kafka that postrider published to
#   SENT      what `postrider send --all --output json` printed
#   DIR       where the programs are built. A virtual environment DIR/venv and what
#             types.sh DIR made there are used if they are there, else made
#
# Needs Python 3 with venv, a JDK of 17 or newer, Maven, node 18 or newer and npm.
set -euo pipefail

[ $# -eq 3 ] || { echo "usage: clients.sh BROKERS SENT DIR" >&2; exit 2; }
brokers=$1 sent=$2
root=$(cd "$(dirname "$0")/../.." && pwd)
dir=$(mkdir -p "$3" && cd "$3" && pwd)

if ! "$dir/venv/bin/python" -c 'import confluent_kafka' 2>/dev/null; then
  python3 -m venv "$dir/venv"
  "$dir/venv/bin/pip" install -q --disable-pip-version-check -r "$root/examples/python/requirements.txt"
fi

mkdir -p "$dir/java"
cp "$root"/examples/java/* "$dir/java"
(cd "$dir/java" && mvn -q -B -Dstyle.color=never compile dependency:build-classpath -Dmdep.outputFile=classpath)

consumer_js=$dir/examples/typescript/build/consumer.js
[ -e "$consumer_js" ] || bash "$root/internal/kafkatest/types.sh" "$dir"

"$dir/venv/bin/python" "$root/internal/kafkatest/clients.py" --brokers "$brokers" --sent "$sent" \
  --client "python=$dir/venv/bin/python $root/examples/python/consumer.py --store $dir/suppressions.db" \
  --client "java=java -cp $dir/java/target/classes:$(cat "$dir/java/classpath") Consumer" \
  --client "typescript=node $consumer_js" \
  --again python
