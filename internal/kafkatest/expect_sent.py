#!/usr/bin/env python3
"""Turns what `postrider send --all --output json` printed (standard input) into
the expectations of check_topics.py (standard output): every event that was sent
is in the topic that was said, under its id, as what the provider called it."""

import json
import sys

records = []
for line in sys.stdin:
    sent = json.loads(line)
    if "topic" not in sent:
        continue
    fields = {"id": sent["id"], "type": sent["type"].removeprefix("inbound."), "provider": sent["provider"],
              "source": sent["source"], "provider_type": sent["provider_type"]}
    records.append({"topic": sent["topic"], "headers": {"ce_id": sent["id"], "provider": sent["provider"]}, "value": fields})
json.dump({"records": records}, sys.stdout)
