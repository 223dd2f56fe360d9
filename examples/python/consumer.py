#!/usr/bin/env python3
"""Keeps a list of the addresses that must not be written to again, by the bounces
and complaints in postrider's topics.

The list, and the ids of the events that were handled, are in one SQLite file: an
event's effect and its id are written in one transaction, and only then is its offset
committed. However often a record comes, and whenever the program dies, the effect is
there once. Each event that was handled is printed as a line of JSON.

Needs Python 3.9 and confluent-kafka (requirements.txt). Stops on SIGTERM and SIGINT.
"""

import argparse
import json
import os
import signal
import sqlite3
import sys

from confluent_kafka import Consumer, KafkaException

TABLES = """
CREATE TABLE IF NOT EXISTS handled (id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS suppressed (address TEXT PRIMARY KEY, why TEXT NOT NULL, event TEXT NOT NULL);
"""


GONE = {"invalid_recipient", "bad_domain", "mailbox_inactive"}  # no mail gets there, whatever it says


def suppresses(event):
    """Whether an event says that its recipient must not be written to again."""
    bounce = event.get("bounce", {})
    if event.get("type") == "bounced":
        return bounce.get("class") == "hard" and bounce.get("category") in GONE and not bounce.get("will_retry")
    return event.get("type") == "complained"


# readme:start
def identity(event, headers, place):
    """What a record is known by: its id. One with the mark conflict is no repeat of any
    other record: where it lay first takes part."""
    id = headers.get("ce_id") or event.get("id")
    if id and headers.get("conflict") == "true":
        return f"{id}@{headers.get('replay-of', place)}"
    return id


def handle(store, record):
    """Handles one record; returns its event, or None if there is nothing new in it."""
    place = f"{record.topic()}/{record.partition()}/{record.offset()}"
    if record.value() is None:
        return None  # a tombstone
    headers = {name: (value or b"").decode("utf-8", "replace") for name, value in record.headers() or []}
    event = decoded(record.value())
    id = event and identity(event, headers, place)
    if not id:
        print(f"{place}: no event, passed over", file=sys.stderr)
        return None
    if store.execute("INSERT OR IGNORE INTO handled VALUES (?)", (id,)).rowcount == 0:
        return None  # a repeat
    if suppresses(event) and "recipient" in event:
        why = event.get("bounce", {}).get("category", "complaint")
        store.execute("INSERT OR IGNORE INTO suppressed VALUES (?, ?, ?)", (event["recipient"], why, id))
    return event


def consume(consumer, store, stopped):
    while not stopped():
        records = [r for r in consumer.consume(num_messages=500, timeout=1.0) if readable(r)]
        with store:  # one transaction: effects and ids, all or nothing
            events = [(r, handle(store, r)) for r in records]
        for record, event in events:
            report(record, event)
        if records:
            commit(consumer)  # what was read, which is by now what was handled
# readme:end


def decoded(value):
    """A value as a JSON object, or None if it is none."""
    try:
        event = json.loads(value)
    except ValueError:
        return None
    return event if isinstance(event, dict) else None


def readable(record):
    """Whether a record was read. What the client cannot mend ends the program."""
    error = record.error()
    if error is None:
        return True
    if not error.retriable():
        raise KafkaException(error)
    print(f"kafka: {error}", file=sys.stderr)
    return False


def commit(consumer):
    try:
        consumer.commit(asynchronous=False)
    except KafkaException as e:  # the records come again, to this member or another
        print(f"kafka: offsets not committed: {e}", file=sys.stderr)


def report(record, event):
    if event is None:
        return
    line = {"id": event.get("id"), "topic": record.topic(), "type": event.get("type"), "recipient": event.get("recipient")}
    print(json.dumps({**line, "suppress": suppresses(event)}), flush=True)


def setting(text):
    key, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    return key, value


def arguments():
    usage = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    usage.add_argument("--brokers", default=os.environ.get("BROKERS", "127.0.0.1:9092"), help="host:port[,...] (BROKERS)")
    usage.add_argument("--group", default="suppressions-python", help="consumer group")
    usage.add_argument("--topic", action="append", help="instead of email.bounced and email.complained; repeatable")
    usage.add_argument("--store", default="suppressions.db", help="the SQLite file")
    usage.add_argument("-X", action="append", default=[], type=setting, metavar="KEY=VALUE", help="a setting of librdkafka's; repeatable")
    return usage.parse_args()


def main():
    args = arguments()
    signals = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: signals.append(number))
    store = sqlite3.connect(args.store)
    store.executescript(TABLES)
    consumer = Consumer(
        {
            "bootstrap.servers": args.brokers,
            "group.id": args.group,
            "auto.offset.reset": "earliest",  # a new group begins with what is there
            "enable.auto.commit": False,
            **dict(args.X),
        }
    )
    try:
        consumer.subscribe(args.topic or ["email.bounced", "email.complained"])
        consume(consumer, store, stopped=lambda: bool(signals))
    finally:
        consumer.close()
        store.close()


if __name__ == "__main__":
    main()
