#!/usr/bin/env python3
"""Runs the example consumers of other languages against a Kafka that holds what
`postrider send --all` sent, and checks that each did what the README says of it.

usage: clients.py --brokers HOST:PORT[,...] --sent FILE --client NAME=COMMAND...
                  [--again NAME]...

FILE is what `postrider send --all --output json` printed. COMMAND is split like a
shell does, and gets --brokers, --group and --topic. The topics are email.bounced,
email.complained, and one that is made for the run with what a consumer must live
through: a tombstone, values that are no JSON or no event, a record without headers,
an unknown type with unknown fields, repeats, a record marked as a conflict under an
id that is known, and a copy of it.

Each client must print every event once, as {"id", "topic", "type", "recipient",
"suppress"}, commit all offsets, and end within 15 s of a SIGTERM. Those named by
--again are then started in a new group and must find nothing new.

Exits 0 when all is right and 1 otherwise, one line a problem. Needs Python 3.9 and
confluent-kafka."""

import argparse
import collections
import json
import shlex
import signal
import subprocess
import sys
import threading
import time
import uuid

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

TOPICS = ["email.bounced", "email.complained"]
PATIENCE = 60.0  # seconds until all is handled and committed
GONE = ("invalid_recipient", "bad_domain", "mailbox_inactive")
BOUNCE = {"schema": "email-event/1", "type": "bounced", "direction": "outbound", "recipient": "a@example.com",
          "bounce": {"class": "hard", "category": "bad_domain"}}


def suppressed(event):
    bounce = event.get("bounce", {})
    if event["type"] == "bounced":
        return bounce["class"] == "hard" and bounce.get("category") in GONE and not bounce.get("will_retry", False)
    return event["type"] == "complained"


def line_of(topic, event):
    """What a client has to print of an event, as something that can be counted."""
    return (event["id"], topic, event["type"], event.get("recipient"), suppressed(event))


class Kafka:
    def __init__(self, brokers):
        self.brokers = brokers
        self.admin = AdminClient({"bootstrap.servers": brokers})

    def client(self, group="clients-py"):
        return Consumer({"bootstrap.servers": self.brokers, "group.id": group, "enable.auto.commit": False,
                         "enable.partition.eof": True})

    def partitions(self, topics):
        known = self.admin.list_topics(timeout=30).topics
        return [TopicPartition(t, p) for t in topics for p in known[t].partitions]

    def ends(self, topics):
        """The end of each partition that holds a record."""
        client, ends = self.client(), {}
        try:
            for p in self.partitions(topics):
                low, high = client.get_watermark_offsets(p, timeout=30)
                if high > low:
                    ends[p.topic, p.partition] = high
        finally:
            client.close()
        return ends

    def read(self, topics):
        """Every record of some topics."""
        client, records = self.client(), []
        left = set(self.ends(topics))
        try:
            client.assign([TopicPartition(t, p, 0) for t, p in left])
            while left:
                record = client.poll(30)
                if record is None:
                    raise SystemExit(f"no answer within 30 s, still to read: {sorted(left)}")
                if record.error() is None:
                    records.append(record)
                elif record.error().code() == KafkaError._PARTITION_EOF:
                    left.discard((record.topic(), record.partition()))
                else:
                    raise SystemExit(str(record.error()))
        finally:
            client.close()
        return records

    def behind(self, group, ends):
        """The partitions of which a group has not committed all."""
        client = self.client(group)
        try:
            committed = client.committed([TopicPartition(t, p) for t, p in ends], timeout=30)
        finally:
            client.close()
        return sorted(f"{p.topic}/{p.partition} at {p.offset}, not {ends[p.topic, p.partition]}"
                      for p in committed if p.offset != ends[p.topic, p.partition])

    def make_odd(self, topic):
        """Makes a topic of oddities; returns the lines that a client has to print of it."""
        self.admin.create_topics([NewTopic(topic, num_partitions=1)])[topic].result(30)
        producer, placed = Producer({"bootstrap.servers": self.brokers}), []

        def put(value, **headers):
            failed = []
            producer.produce(topic, key="odd", value=value, headers=[(k.replace("_of", "-of"), v) for k, v in headers.items()],
                             on_delivery=lambda error, record: failed.append(error) if error else placed.append(record))
            producer.flush(30)
            if failed:
                raise SystemExit(f"{topic}: {failed[0]}")
            return f"{topic}/{placed[-1].partition()}/{placed[-1].offset()}"

        ids = [uuid.uuid4().hex for _ in range(3)]
        bare = {**BOUNCE, "id": ids[0]}
        later = {**BOUNCE, "id": ids[1], "type": "teleported", "warp": {"factor": [9]}}
        twice = {**BOUNCE, "id": ids[2]}
        put(None)
        put(None, ce_id=uuid.uuid4().hex)
        for value in (b"", b"\xff\xfe", b"no JSON", b"[1]", b"{}", b"null"):
            put(value)
        put(b"[1]", ce_id=uuid.uuid4().hex)
        put(json.dumps(bare))
        put(json.dumps(later), ce_id=ids[1])
        for _ in range(3):
            put(json.dumps(twice), ce_id=ids[2])
        first = put(json.dumps(twice), ce_id=ids[2], conflict="true")
        put(json.dumps(twice), ce_id=ids[2], conflict="true", replay_of=first)
        return [line_of(topic, e) for e in (bare, later, twice, twice)]

    def remove(self, topic, groups):
        for done in [*self.admin.delete_topics([topic]).values(), *self.admin.delete_consumer_groups(groups).values()]:
            try:
                done.result(30)
            except KafkaException as e:  # a client that was killed is still a member, and has been told of
                print(f"not removed: {e}", file=sys.stderr)


class Client:
    """One running example."""

    def __init__(self, kafka, name, command, topics):
        self.kafka, self.name, self.group = kafka, name, f"clients-{name}-{uuid.uuid4().hex[:8]}"
        self.begun, self.lines, self.said = time.monotonic(), [], collections.deque(maxlen=20)
        command = shlex.split(command) + ["--brokers", kafka.brokers, "--group", self.group]
        for topic in topics:
            command += ["--topic", topic]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8")
        self.readers = [threading.Thread(target=self.collect, args=(pipe, to), daemon=True)
                        for pipe, to in ((self.process.stdout, self.lines), (self.process.stderr, self.said))]
        for reader in self.readers:
            reader.start()

    @staticmethod
    def collect(pipe, to):
        for line in pipe:
            to.append(line.rstrip("\n"))

    def await_commits(self, ends):
        """Waits until all is committed. Yields what is wrong."""
        while (behind := self.kafka.behind(self.group, ends)) and self.process.poll() is None:
            if time.monotonic() - self.begun > PATIENCE:
                yield f"after {PATIENCE:.0f} s not committed: {'; '.join(behind)}"
                return
            time.sleep(0.1)
        if self.process.poll() is not None:
            yield f"it ended by itself, with {self.process.returncode}"

    def stop(self):
        """Ends it. Yields what is wrong."""
        took = time.monotonic() - self.begun
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(15)
            if code not in (0, 128 + signal.SIGTERM):  # the latter by the custom of Java
                yield f"it ended with {code} on SIGTERM"
        except subprocess.TimeoutExpired:
            self.process.kill()
            yield "it did not end within 15 s of SIGTERM"
        for reader in self.readers:
            reader.join(5)
        print(f"{self.name}: {len(self.lines)} events in {took:.1f} s", file=sys.stderr)

    def differs(self, expected):
        """Yields where what it printed is not what is expected."""
        got = collections.Counter()
        for line in self.lines:
            try:
                said = json.loads(line)
                got[said["id"], said["topic"], said["type"], said.get("recipient"), said["suppress"]] += 1
            except (ValueError, KeyError, TypeError):
                yield f"it printed {line!r}"
        want = collections.Counter(expected)
        yield from (f"missing: {line}" for line in (want - got).elements())
        yield from (f"once too often: {line}" for line in (got - want).elements())

    def check(self, ends, expected):
        problems = [*self.await_commits(ends), *self.stop(), *self.differs(expected)]
        if problems:
            problems += [f"it said: {line}" for line in self.said]
        return [f"{self.name}: {p}" for p in problems]


def sent(file):
    """What was sent to the topics, as topic and id."""
    with open(file, encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    return {(r["topic"], r["id"]) for r in records if r.get("topic") in TOPICS}


def published(kafka):
    """The line of each event of the topics, by topic and id."""
    events = [(r.topic(), json.loads(r.value())) for r in kafka.read(TOPICS)]
    return {(topic, e["id"]): line_of(topic, e) for topic, e in events}


def main():
    usage = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    usage.add_argument("--brokers", required=True)
    usage.add_argument("--sent", required=True)
    usage.add_argument("--client", action="append", required=True, metavar="NAME=COMMAND")
    usage.add_argument("--again", action="append", default=[], metavar="NAME")
    args = usage.parse_args()

    kafka, odd = Kafka(args.brokers), f"clients.{uuid.uuid4().hex[:8]}.odd"
    lines, wanted = published(kafka), sent(args.sent)
    problems = [f"{topic} does not hold {id}, which was sent" for topic, id in wanted - set(lines)]
    problems += [f"nothing was sent to {topic}" for topic in TOPICS if topic not in {t for t, _ in wanted}]
    expected = [*lines.values(), *kafka.make_odd(odd)]
    topics = [*TOPICS, odd]
    ends = kafka.ends(topics)

    commands = dict(entry.split("=", 1) for entry in args.client)
    clients = [Client(kafka, name, command, topics) for name, command in commands.items()]
    for client in clients:
        problems += client.check(ends, expected)
    for name in args.again:
        again = Client(kafka, name, commands[name], topics)
        clients.append(again)
        problems += [f"in a new group: {p}" for p in again.check(ends, [])]
    kafka.remove(odd, [c.group for c in clients])

    for p in problems:
        print(p)
    print(f"{len(clients)} runs of {len(commands)} clients, {len(expected)} events each, {len(problems)} problems", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
