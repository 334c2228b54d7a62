"""What the server counts and measures, for Prometheus; every name begins with polymath_."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
TURNS = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """One registry a server, so that several servers of a process (tests) do not meet."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.ready = Gauge("polymath_ready", "1 when requests are answered", registry=registry)
        self.connections = Gauge("polymath_connections", "Robots connected", ["protocol"], registry=registry)
        self.sessions = Gauge("polymath_sessions", "Sessions whose history is kept", ["model"], registry=registry)
        self.waiting = Gauge("polymath_waiting", "Requests that wait for a pass", registry=registry)
        self.requests = Counter("polymath_requests", "Requests by outcome", ["protocol", "outcome"], registry=registry)
        self.refused = Counter("polymath_refused", "Handshakes refused", ["reason"], registry=registry)
        self.evicted = Counter("polymath_evicted", "Sessions forgotten by rule", ["model"], registry=registry)
        self.infer = _seconds("polymath_infer_seconds", "A pass of the model", registry)
        self.queue = _seconds("polymath_queue_seconds", "From a request to its pass", registry)
        self.total = _seconds("polymath_request_seconds", "From a message to the reply's last byte", registry)
        self.turns = Histogram("polymath_batch_turns", "Turns of a pass", ["model"], registry=registry, buckets=TURNS)

    def exposition(self) -> bytes:
        """The text format of Prometheus, version 0.0.4."""
        return generate_latest(self.registry)


def _seconds(name: str, description: str, registry: CollectorRegistry) -> Histogram:
    return Histogram(name, description, ["model"], registry=registry, buckets=SECONDS)
