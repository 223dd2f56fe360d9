#!/usr/bin/env bash
# Starts a real Apache Kafka (KRaft) on 127.0.0.1 from its Maven artifacts, for tests.
#
# usage: kafka-up.sh [-p PORT] [-d DIR] [-n 1|3] [--sasl] [--only I]
#
#   -p PORT    PLAINTEXT port of the first node (default 19292); each node has ten ports:
#                PORT+10*i      PLAINTEXT
#                PORT+10*i+1    controller
#                PORT+10*i+2    SASL_SSL, with --sasl
#                PORT+10*i+3    SSL that demands a client certificate, with --sasl
#   -d DIR     data, logs, process ids, certificates (default: postrider-kafka-PORT in the
#              temporary folder). It is kept; kafka-down.sh --wipe removes it
#   -n N       1 or 3 nodes, each broker and controller. With 3: replication 3, min ISR 2
#   --sasl     adds SASL_SSL with PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512: user postrider,
#              password postrider-secret, authority DIR/tls/ca.pem; SSL with client
#              certificates; and access rules. postrider, the client certificate and
#              whoever is on the PLAINTEXT port may do everything, others nothing until a
#              rule lets them. Sessions of SCRAM-SHA-256 end after two seconds. SCRAM users
#              are written when the storage is formatted, so a DIR made without --sasl is
#              refused
#   --only I   start only node I (0-based) of a cluster that exists, after it was stopped
#
# Prints lines for a shell to eval, when every node answers:
#   POSTRIDER_TEST_BROKERS=127.0.0.1:19292
#   POSTRIDER_TEST_SASL_BROKERS=127.0.0.1:19294      (with --sasl)
#   POSTRIDER_TEST_MTLS_BROKERS=127.0.0.1:19295      (with --sasl)
#   POSTRIDER_TEST_CA=DIR/tls/ca.pem                 (with --sasl; its ca.key beside it)
#   POSTRIDER_TEST_CLIENT_CERT=DIR/tls/client.pem    (with --sasl)
#   POSTRIDER_TEST_CLIENT_KEY=DIR/tls/client.key     (with --sasl)
# for example:  eval "$(internal/kafkatest/kafka-up.sh --sasl)"; export "${!POSTRIDER_TEST_@}"
#
# A node that runs is left alone, so starting twice is harmless. Topics are not created by
# asking for them, as on a cluster that is looked after.
#
# Needs java 17 or newer and mvn; openssl for --sasl. KAFKA_VERSION (default 4.3.1) chooses
# the release, KAFKA_JARS where its jars are kept (default: the user's cache folder),
# KAFKA_HEAP each node's -Xmx (default 512m, with three nodes 320m), KAFKA_WAIT the seconds
# to wait for a node (default 90).
set -euo pipefail

die() { echo "kafka-up: $*" >&2; exit 1; }
usage() { sed -n '2,/^set -euo/p' "$0" | sed -n 's/^# \{0,1\}//p'; }

port=19292 dir='' nodes=1 sasl=no only=''
while [ $# -gt 0 ]; do
  case $1 in
    -p) port=$2; shift ;;
    -d) dir=$2; shift ;;
    -n) nodes=$2; shift ;;
    --sasl) sasl=yes ;;
    --only) only=$2; shift ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; die "unknown option $1" ;;
  esac
  shift
done
case $nodes in
  1) replicas=1 min_isr=1 heap=512m ;;
  3) replicas=3 min_isr=2 heap=320m ;;
  *) die "-n takes 1 or 3" ;;
esac
heap=${KAFKA_HEAP:-$heap}
dir=${dir:-${TMPDIR:-/tmp}/postrider-kafka-$port}
version=${KAFKA_VERSION:-4.3.1}
jars=${KAFKA_JARS:-${XDG_CACHE_HOME:-$HOME/.cache}/postrider-kafka}/$version
command -v java >/dev/null || die "java 17 or newer is needed"

# The broker's jars, once. kafka-tools-api is not needed by a broker and is missing from
# Maven Central for some releases.
fetch_jars() {
  [ ! -e "$jars/.complete" ] || return 0
  command -v mvn >/dev/null || die "mvn is needed to fetch Apache Kafka $version"
  rm -rf "$jars"
  mkdir -p "$jars"
  cat >"$jars/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>postrider</groupId><artifactId>kafkatest</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$version</version>
      <exclusions><exclusion>
        <groupId>org.apache.kafka</groupId><artifactId>kafka-tools-api</artifactId>
      </exclusion></exclusions>
    </dependency>
    <dependency>
      <groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.25.4</version>
    </dependency>
  </dependencies>
</project>
POM
  (cd "$jars" && mvn -q -B dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$jars/lib") >&2 ||
    die "mvn could not fetch Apache Kafka $version"
  touch "$jars/.complete"
}

# An authority, a certificate for 127.0.0.1 and localhost, and one for a client, once.
make_certs() {
  local t=$dir/tls
  [ ! -e "$t/complete" ] || return 0
  command -v openssl >/dev/null || die "openssl is needed for --sasl"
  mkdir -p "$t"
  (
    cd "$t"
    umask 077
    openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj "/CN=postrider test authority" \
      -keyout ca.key -out ca.pem
    openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout leaf.key -out leaf.csr
    printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\n' >leaf.ext
    openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 3650 -extfile leaf.ext -out leaf.pem
    openssl pkcs8 -topk8 -nocrypt -in leaf.key -out leaf.pk8
    cat leaf.pk8 leaf.pem ca.pem >server.pem
    openssl req -newkey rsa:2048 -nodes -subj /CN=postrider -keyout client.key -out client.csr
    openssl x509 -req -in client.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 3650 -out client.pem
    touch complete
  ) 2>"$t.log" || { cat "$t.log" >&2; die "openssl failed"; }
}

node_port() { echo $((port + 10 * $1)); }

# running I: node I's recorded process lives and is a Kafka started for this very folder.
running() {
  local pid
  pid=$(cat "$dir/node$1/pid" 2>/dev/null) && [ -n "$pid" ] &&
    { tr '\0' '\n' <"/proc/$pid/cmdline" | grep -qxF "$dir/node$1/server.properties"; } 2>/dev/null
}

write_config() {
  local i=$1 n=$dir/node$1 p listeners voters='' j
  p=$(node_port "$i")
  for ((j = 0; j < nodes; j++)); do
    voters+=${voters:+,}$((j + 1))@127.0.0.1:$(($(node_port "$j") + 1))
  done
  listeners=PLAINTEXT://127.0.0.1:$p
  [ $sasl = no ] || listeners+=,SASL_SSL://127.0.0.1:$((p + 2)),SSL://127.0.0.1:$((p + 3))
  cat >"$n/server.properties" <<CONF
process.roles=broker,controller
node.id=$((i + 1))
controller.quorum.voters=$voters
controller.listener.names=CONTROLLER
listeners=$listeners,CONTROLLER://127.0.0.1:$((p + 1))
advertised.listeners=$listeners
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL
inter.broker.listener.name=PLAINTEXT
log.dirs=$n/data
auto.create.topics.enable=false
num.partitions=3
default.replication.factor=$replicas
min.insync.replicas=$min_isr
offsets.topic.num.partitions=4
offsets.topic.replication.factor=$replicas
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=$replicas
transaction.state.log.min.isr=$min_isr
share.coordinator.state.topic.replication.factor=$replicas
share.coordinator.state.topic.min.isr=$min_isr
group.initial.rebalance.delay.ms=0
log.cleaner.dedupe.buffer.size=16777216
num.network.threads=2
num.io.threads=4
CONF
  [ $sasl = no ] || cat >>"$n/server.properties" <<CONF
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.sasl_ssl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_postrider="postrider-secret";
listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl_ssl.scram-sha-256.connections.max.reauth.ms=2000
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
ssl.keystore.type=PEM
ssl.keystore.location=$dir/tls/server.pem
ssl.truststore.type=PEM
ssl.truststore.location=$dir/tls/ca.pem
listener.name.ssl.ssl.client.auth=required
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS;User:postrider;User:CN=postrider
CONF
}

# java_kafka LOGFILE HEAP MAIN ARGS...
java_kafka() {
  local log=$1 mx=$2
  shift 2
  exec java -Xmx"$mx" -XX:MaxMetaspaceSize=160m -Djava.awt.headless=true \
    -Dlog4j2.configurationFile="$dir/log4j2.properties" -Dkafka.logfile="$log" -cp "$jars/lib/*" "$@"
}

format_storage() {
  local n=$dir/node$1 scram=()
  if [ -e "$n/data/meta.properties" ]; then
    [ $sasl = no ] || [ -e "$n/scram" ] ||
      die "$n was formatted without --sasl: remove it first (kafka-down.sh -d $dir --wipe)"
    return 0
  fi
  if [ $sasl = yes ]; then
    scram=(--add-scram 'SCRAM-SHA-512=[name=postrider,password=postrider-secret]'
      --add-scram 'SCRAM-SHA-256=[name=postrider,password=postrider-secret]')
    touch "$n/scram"
  fi
  (java_kafka "$n/format.log" 128m -XX:TieredStopAtLevel=1 kafka.tools.StorageTool format --ignore-formatted \
    -t "$(cat "$dir/cluster.id")" -c "$n/server.properties" "${scram[@]}") >"$n/format.out" 2>&1 ||
    { cat "$n/format.out" >&2; die "formatting $n/data failed"; }
}

# answers PORT: an ApiVersions (key 18, version 0) request is answered.
answers() {
  (
    exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 1
    printf '\0\0\0\x0b\0\x12\0\0\0\0\0\x07\0\x01u' >&3
    [ "$(timeout 2 head -c 8 <&3 | od -An -tx1 | tr -d ' \n' | cut -c 9-)" = 00000007 ]
  ) 2>/dev/null
}

start_node() {
  local n=$dir/node$1
  mkdir -p "$n"
  if running "$1"; then return 0; fi
  if answers "$(node_port "$1")"; then die "port $(node_port "$1") is taken by another Kafka: choose another with -p"; fi
  write_config "$1"
  format_storage "$1"
  (java_kafka "$n/server.log" "$heap" -XX:+UseG1GC kafka.Kafka "$n/server.properties") \
    >"$n/stdout.log" 2>&1 </dev/null &
  echo $! >"$n/pid"
  disown
}

await_node() {
  local n=$dir/node$1 end=$((SECONDS + ${KAFKA_WAIT:-90}))
  until answers "$(node_port "$1")"; do
    if ! running "$1"; then
      tail -n 5 "$n/stdout.log" >&2
      grep -m 3 -A 2 ERROR "$n/server.log" >&2 || true
      die "node $1 ended, see $n"
    fi
    [ $SECONDS -lt $end ] || die "node $1 does not answer, see $n"
    sleep 0.1
  done
}

list() { # list OFFSET: the nodes' addresses at PORT+OFFSET
  local i out=''
  for ((i = 0; i < nodes; i++)); do out+=${out:+,}127.0.0.1:$(($(node_port "$i") + $1)); done
  echo "$out"
}

fetch_jars
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
[ $sasl = no ] || make_certs
[ -e "$dir/cluster.id" ] || head -c 16 /dev/urandom | base64 | tr '+/' 'AB' | tr -d '=' >"$dir/cluster.id"
cat >"$dir/log4j2.properties" <<'CONF'
status=error
appender.file.type=File
appender.file.name=file
appender.file.fileName=${sys:kafka.logfile}
appender.file.layout.type=PatternLayout
appender.file.layout.pattern=%d %p %c{1}: %m%n
rootLogger.level=warn
rootLogger.appenderRef.file.ref=file
CONF
for ((i = 0; i < nodes; i++)); do [ -n "$only" ] && [ "$only" != "$i" ] || start_node "$i"; done
for ((i = 0; i < nodes; i++)); do [ -n "$only" ] && [ "$only" != "$i" ] || await_node "$i"; done

echo "kafka-up: Apache Kafka $version is ready in ${SECONDS} s" >&2
echo "POSTRIDER_TEST_BROKERS=$(list 0)"
if [ $sasl = yes ]; then
  echo "POSTRIDER_TEST_SASL_BROKERS=$(list 2)"
  echo "POSTRIDER_TEST_MTLS_BROKERS=$(list 3)"
  echo "POSTRIDER_TEST_CA=$dir/tls/ca.pem"
  echo "POSTRIDER_TEST_CLIENT_CERT=$dir/tls/client.pem"
  echo "POSTRIDER_TEST_CLIENT_KEY=$dir/tls/client.key"
fi
