"""A stand-in for Kafka: librdkafka's mock broker, until it is killed. Holds some megabytes, in memory.

python broker.py FILE    writes its address to FILE
"""

from __future__ import annotations

import sys
from pathlib import Path

from confluent_kafka import Producer

producer = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "replaced-by-the-mock"})
(broker,) = producer.list_topics(timeout=10).brokers.values()
file = Path(sys.argv[1])
file.with_suffix(".new").write_text(f"{broker.host}:{broker.port}")
file.with_suffix(".new").rename(file)
while True:
    producer.poll(1)
