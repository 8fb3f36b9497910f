"""A program behind a served tool (docs/use/tools.md): it answers the calls of `order_status` in tools.yaml."""

import asyncio
import json
import os

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

SERVERS = os.environ.get("CARTEIRO_BOOTSTRAP_SERVERS", "localhost:9092")
ORDERS = {"7": {"state": "shipped"}}


async def main() -> None:
    """Answer calls until Ctrl-C."""
    consumer = AIOKafkaConsumer("shop.order-status.requests", bootstrap_servers=SERVERS, group_id="order-status")
    async with AIOKafkaProducer(bootstrap_servers=SERVERS) as producer, consumer:
        async for record in consumer:
            headers = dict(record.headers)
            number = json.loads(record.value)["arguments"]["number"]
            answer = {"result": ORDERS[number]} if number in ORDERS else {"error": f"There is no order {number}."}
            correlation_id = [("correlation_id", headers["correlation_id"])]
            await producer.send(headers["reply_to"].decode(), json.dumps(answer).encode(), headers=correlation_id)


asyncio.run(main())
