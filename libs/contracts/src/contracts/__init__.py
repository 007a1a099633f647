"""The events of Centralino: models, topics, schemas.

`encode` and `decode` turn an `Event` into a Kafka record's value and headers and back; every data class, topic
and limit of the platform's events stands in this package, which depends on pydantic only.
"""

from contracts.envelope import (
    Event,
    Headers,
    MalformedEventError,
    UnknownTypeError,
    decode,
    encode,
    encode_structured,
)

__all__ = [
    "Event",
    "Headers",
    "MalformedEventError",
    "UnknownTypeError",
    "decode",
    "encode",
    "encode_structured",
]
