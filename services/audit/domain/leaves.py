"""An entry of the log, and an event as readers get it."""

import base64

import orjson

# https://c2sp.org/tlog-tiles: the entries of the tree, over which its hashes will be made.
_HEADER = b"lockbox-leaf/v1\n"
_OURS = (b'"leafindex"', b'"logorigin"')


def entry(event_id: str, digest: bytes) -> bytes:
    """Write the three lines of an entry. `digest` is the SHA-256 of the event's bytes."""
    return _HEADER + event_id.encode() + b"\n" + base64.b64encode(digest) + b"\n"


def origin(name: str, tenant: str) -> str:
    """Name a tenant's log; `name` is the name of all logs here."""
    return f"{name}/t/{tenant}"


def shown(body: bytes, leaf_index: int, log_origin: str) -> bytes:
    """Add `leafindex` and `logorigin` to an event, outside its bytes: what stands in it stays as it is."""
    added = orjson.dumps({"leafindex": leaf_index, "logorigin": log_origin})
    if any(name in body for name in _OURS):
        # Whoever wrote the event used a name of ours: the reader must not find two.
        return orjson.dumps({**orjson.loads(body), **orjson.loads(added)})
    return body.rstrip()[:-1] + b"," + added[1:]
