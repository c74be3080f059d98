"""The metrics of this process, for `/metrics`."""

from typing import Final

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

REGISTRY: Final = CollectorRegistry()
"""Where every Counter, Gauge and Histogram of ours is made: `Counter(name, meaning, labels, registry=REGISTRY)`.

Names begin with `lockbox_`; a label's values are few and never come from a caller.
"""
CONTENT_TYPE: Final = CONTENT_TYPE_LATEST

GCCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)
ProcessCollector(registry=REGISTRY)


def exposition() -> bytes:
    """Give all metrics in Prometheus' text format (content type `CONTENT_TYPE`)."""
    return generate_latest(REGISTRY)
