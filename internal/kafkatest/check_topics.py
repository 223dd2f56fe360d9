#!/usr/bin/env python3
"""Reads postrider's topics with librdkafka, a client that shares no code with
it, and checks that every record is what postrider promises its consumers.

usage: check_topics.py --bootstrap HOST:PORT[,...] [--prefix email] [--expect FILE]
                       [--ca FILE --username NAME --password-file FILE]

Every record of every typed topic (PREFIX.<type>, PREFIX.inbound.<type> and
PREFIX.all) must have
  - a UTF-8 key that begins with provider/source/ and goes on with the message
    id where the event has one (--any-key for other `key` settings)
  - the partition that Java's murmur2 gives for that key
  - the CloudEvents headers of the Kafka binary mode, equal to the event's fields
  - the headers provider, source and mapper-version, and on bounces bounce-class
  - a JSON object as value, whose type and direction belong to the topic
  - received_at as its timestamp, to the millisecond

FILE is JSON. Every entry of `records` must be found in its topic, each in a
record of its own; `topics` and all parts of an entry are optional:
  {"topics": {"email.delivered": {"partitions": 6, "records": 3}},
   "records": [{"topic": "email.bounced", "key": "cmcom/cm/8814",
                "headers": {"ce_type": "email.bounced.v1"},
                "value": {"bounce": {"class": "hard"}}, "absent": ["smtp.code"]}]}
`value` is compared field by field, nested objects too; fields it does not name
may have any value, and those in `absent` must not be there.

Exits 0 when all is right and 1 otherwise, one line a problem. Needs Python 3.9
and confluent-kafka, e.g. in a virtual environment:
  python3 -m venv .venv && .venv/bin/pip install 'confluent-kafka>=2.5,<3'
"""

import argparse
import datetime
import json
import sys

from confluent_kafka import Consumer, KafkaError, TopicPartition

TIMEOUT = 30.0


def murmur2(data: bytes) -> int:
    """The hash of org.apache.kafka.common.utils.Utils, as an unsigned number."""
    mask, m = 0xFFFFFFFF, 0x5BD1E995
    h = (0x9747B28C ^ len(data)) & mask
    whole = len(data) - len(data) % 4
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i : i + 4], "little") * m & mask
        k = (k ^ k >> 24) * m & mask
        h = (h * m & mask) ^ k
    if whole < len(data):
        h = (h ^ int.from_bytes(data[whole:], "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return h ^ h >> 15


def java_partition(key: bytes, partitions: int) -> int:
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def milliseconds(rfc3339: str) -> int:
    """Milliseconds since 1970 of an RFC 3339 time in UTC, cut off below."""
    seconds, _, fraction = rfc3339.removesuffix("Z").partition(".")
    whole = datetime.datetime.fromisoformat(seconds + "+00:00")
    return int(whole.timestamp()) * 1000 + int((fraction + "000")[:3])


class Record:
    def __init__(self, msg, partitions):
        self.topic, self.partition, self.offset = msg.topic(), msg.partition(), msg.offset()
        self.partitions = partitions
        self.key, self.raw, self.timestamp = msg.key(), msg.value(), msg.timestamp()[1]
        self.header_list = msg.headers() or []
        self.headers = {k: (v or b"").decode("utf-8", "replace") for k, v in self.header_list}
        try:
            self.value = json.loads(self.raw)
        except (TypeError, ValueError):
            self.value = None

    def __str__(self):
        return f"{self.topic}[{self.partition}]@{self.offset}"


def promises(rec, prefix, any_key):
    """Yields what is wrong with a record of a typed topic."""
    event = rec.value
    if not isinstance(event, dict):
        yield "the value is no JSON object"
        return
    names = [k for k, _ in rec.header_list]
    for name in sorted({n for n in names if names.count(n) > 1}):
        yield f"header {name} is there {names.count(name)} times"
    yield from check_key(rec, event, any_key)
    yield from check_headers(rec, event)
    yield from check_topic(rec, event, prefix)
    if rec.timestamp != milliseconds(event.get("received_at", "1970-01-01T00:00:00Z")):
        yield f"timestamp {rec.timestamp} is not received_at {event.get('received_at')}"


def check_key(rec, event, any_key):
    if not rec.key:
        yield "no key"
        return
    want = java_partition(rec.key, rec.partitions)
    if rec.partition != want:
        yield f"key {rec.key!r} belongs to partition {want} of {rec.partitions}"
    if any_key:
        return
    key, begin = rec.key.decode("utf-8", "replace"), f"{event.get('provider')}/{event.get('source')}/"
    if not key.startswith(begin) or key == begin:
        yield f"key {key!r} is not {begin}..."
    elif "message_id" in event and key != begin + event["message_id"]:
        yield f"key {key!r} does not end with the message id {event['message_id']!r}"


def check_headers(rec, event):
    inbound = "inbound." if event.get("direction") == "inbound" else ""
    want = {
        "ce_specversion": "1.0",
        "ce_id": event.get("id"),
        "ce_source": f"/{event.get('provider')}/{event.get('source')}",
        "ce_type": f"email.{inbound}{event.get('type')}.v1",
        "ce_time": event.get("occurred_at"),
        "ce_subject": event.get("message_id"),
        "content-type": "application/json",
        "provider": event.get("provider"),
        "source": event.get("source"),
        "bounce-class": event.get("bounce", {}).get("class"),
    }
    for name, value in want.items():
        if rec.headers.get(name) != value:
            yield f"header {name} is {rec.headers.get(name)!r}, not {value!r}"
    if not rec.headers.get("mapper-version"):
        yield "no header mapper-version"


def check_topic(rec, event, prefix):
    inbound = "inbound." if event.get("direction") == "inbound" else ""
    want = f"{prefix}.{inbound}{event.get('type')}"
    if rec.topic not in (want, prefix + ".all"):
        yield f"type {event.get('type')} ({event.get('direction')}) belongs to {want}"
    if not event.get("id"):
        yield "no id"


def differs(want, got, path=""):
    """Yields where got lacks something of want."""
    if isinstance(want, dict) and isinstance(got, dict):
        for name, value in want.items():
            where = f"{path}.{name}" if path else name
            if name not in got:
                yield f"{where} is missing"
            else:
                yield from differs(value, got[name], where)
    elif type(want) is not type(got) or want != got:
        yield f"{path} is {got!r}, not {want!r}"


def has(value, path):
    for name in path.split("."):
        if not isinstance(value, dict) or name not in value:
            return False
        value = value[name]
    return True


def misses(entry, rec):
    """Lists why rec is not the expected entry."""
    out = []
    if "key" in entry and (rec.key or b"").decode("utf-8", "replace") != entry["key"]:
        out.append(f"key is {rec.key!r}, not {entry['key']!r}")
    out += [f"header {p}" for p in differs(entry.get("headers", {}), rec.headers)]
    out += list(differs(entry.get("value", {}), rec.value))
    out += [f"{p} is there" for p in entry.get("absent", []) if has(rec.value, p)]
    return out


def expected(entries, records):
    """Yields the entries that no record of its own fulfils, with the nearest miss."""
    free = list(records)
    for entry in entries:
        here = [r for r in free if r.topic == entry["topic"]]
        found = next((r for r in here if not misses(entry, r)), None)
        if found:
            free.remove(found)
            continue
        label = json.dumps({k: entry[k] for k in ("topic", "key") if k in entry})
        if here:
            best = min(here, key=lambda r: len(misses(entry, r)))
            yield f"{label} not found; nearest is {best}: " + "; ".join(misses(entry, best))
        else:
            yield f"{label} not found: no other record in the topic"


def consumer(args):
    conf = {
        "bootstrap.servers": args.bootstrap,
        "group.id": "postrider-check-topics",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "allow.auto.create.topics": False,
    }
    if args.ca:
        conf.update({"security.protocol": "SASL_SSL" if args.username else "SSL", "ssl.ca.location": args.ca})
    if args.username:
        with open(args.password_file, encoding="utf-8") as f:
            password = f.read().strip()
        conf.update({"sasl.mechanism": "SCRAM-SHA-512", "sasl.username": args.username, "sasl.password": password})
    return Consumer(conf)


def read_all(client, partitions_of):
    """Reads every partition to its end, without a consumer group's offsets."""
    left = {(t, p) for t, ps in partitions_of.items() for p in range(ps)}
    client.assign([TopicPartition(t, p, 0) for t, p in left])
    records = []
    while left:
        msg = client.poll(TIMEOUT)
        if msg is None:
            raise SystemExit(f"no answer within {TIMEOUT:.0f} s, still to read: {sorted(left)}")
        if msg.error() is None:
            records.append(Record(msg, partitions_of[msg.topic()]))
        elif msg.error().code() == KafkaError._PARTITION_EOF:
            left.discard((msg.topic(), msg.partition()))
        else:
            raise SystemExit(f"{msg.topic()}: {msg.error()}")
    return records


def main():
    usage = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    usage.add_argument("--bootstrap", required=True)
    usage.add_argument("--prefix", default="email")
    usage.add_argument("--expect")
    usage.add_argument("--any-key", action="store_true")
    usage.add_argument("--ca")
    usage.add_argument("--username")
    usage.add_argument("--password-file")
    args = usage.parse_args()

    expect = {}
    if args.expect:
        with open(args.expect, encoding="utf-8") as f:
            expect = json.load(f)
    client = consumer(args)
    try:
        topics = client.list_topics(timeout=TIMEOUT).topics
        partitions_of = {n: len(t.partitions) for n, t in topics.items() if n.startswith(args.prefix + ".")}
        records = read_all(client, partitions_of)
    finally:
        client.close()

    state = {args.prefix + suffix for suffix in (".raw", ".deadletter", ".seen", ".replays")}
    problems = [f"{r}: {p}" for r in records if r.topic not in state for p in promises(r, args.prefix, args.any_key)]
    for name, want in expect.get("topics", {}).items():
        got = {"partitions": partitions_of.get(name), "records": sum(r.topic == name for r in records)}
        problems += [f"topic {name}: {p}" for p in differs(want, got)]
    problems += expected(expect.get("records", []), records)
    if not records:
        problems.append(f"no record in any topic {args.prefix}.*")

    for p in problems:
        print(p)
    print(f"{len(records)} records in {len(partitions_of)} topics, {len(problems)} problems", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
