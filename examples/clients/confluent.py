"""A request and its reply with confluent-kafka, without anything of Carteiro's: `python confluent.py TEXT`."""

import json
import os
import sys
import uuid

from confluent_kafka import Consumer, Producer, TopicPartition

servers = os.environ.get("CARTEIRO_BOOTSTRAP_SERVERS", "localhost:9092")
prefix = os.environ.get("CARTEIRO_TOPIC_PREFIX", "llm")
replies = f"{prefix}.summarize.replies"
correlation_id = uuid.uuid4().hex

consumer = Consumer({"bootstrap.servers": servers, "group.id": "example", "isolation.level": "read_committed"})
partitions = consumer.list_topics(replies, timeout=30).topics[replies].partitions
# From the topic's current end, since the reply comes later.
ends = {each: consumer.get_watermark_offsets(TopicPartition(replies, each))[1] for each in partitions}
consumer.assign([TopicPartition(replies, each, end) for each, end in ends.items()])

producer = Producer({"bootstrap.servers": servers})
producer.produce(
    f"{prefix}.summarize.requests",
    json.dumps({"text": sys.argv[1]}).encode(),
    headers={"correlation_id": correlation_id, "timeout_ms": "60000"},
)
producer.flush()

while True:
    record = consumer.poll(60)
    if record is None:
        sys.exit("no reply within a minute")
    if not record.error() and dict(record.headers() or []).get("correlation_id") == correlation_id.encode():
        break
consumer.close()
reply = json.loads(record.value())
if reply["status"] != "ok":
    sys.exit(f"{reply['error']['code']}: {reply['error']['message']}")
sys.stdout.write(reply["result"]["summary"] + "\n")
