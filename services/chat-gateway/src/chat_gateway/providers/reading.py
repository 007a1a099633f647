"""Reading what strangers send: JSON whose every value may be missing, of another type, or hostile.

A getter `..._in` answers none for what is missing or null; `..._of` wants it. Both raise NotUnderstoodError for a value
of another type, and nothing here raises anything else. `text_...` drops NUL and replaces half a surrogate pair, which
JSON can spell and neither PostgreSQL nor UTF-8 can hold.
"""

import hmac
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Never

from gatewaykit.domain.provider import ITEMS_MAX, HttpReply, Item, NotUnderstoodError

Node = Mapping[str, object]

ID_LENGTH_MAX: Final = 1000
_WHOLE_MAX: Final = 2**63 - 1
_INSTANT_MS_MAX: Final = 253_402_300_799_999
"""The end of the year 9999."""


def fits_any(given: str | None, secrets: Iterable[str], signature: Callable[[bytes], str]) -> bool:
    """Whether `given` is what `signature` makes of one of the secrets. Takes as long for a near miss as for nonsense;
    an empty secret fits nothing."""
    bytes_given = (given or "").encode("utf-8", "replace")
    fits = [
        hmac.compare_digest(signature(secret.encode()).encode("utf-8", "replace"), bytes_given)
        for secret in secrets
        if secret
    ]
    return bool(given) and any(fits)


def equals_any(given: str | None, secrets: Iterable[str]) -> bool:
    """The same for a secret that is sent as it is."""
    return fits_any(given, secrets, lambda secret: secret.decode())


def read_object(body: bytes) -> Node:
    """The JSON object of a request's body, in UTF-8."""
    try:
        value = json.loads(body.decode(), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise NotUnderstoodError("the body is no JSON") from error
    return as_node(value, "the body")


def reply_object(reply: HttpReply) -> Node | None:
    """The JSON object of a provider's answer; none: it is something else."""
    try:
        return read_object(reply.body)
    except NotUnderstoodError:
        return None


def json_bytes(value: object) -> bytes:
    """Compact JSON in ASCII."""
    return json.dumps(value, separators=(",", ":")).encode()


def as_node(value: object, what: str) -> Node:
    """The value as an object."""
    if not isinstance(value, dict):
        raise NotUnderstoodError(f"{what} is not an object")
    return value


def node_in(node: Node, key: str) -> Node | None:
    """The object that stands there."""
    value = node.get(key)
    return None if value is None else as_node(value, key)


def node_of(node: Node, key: str) -> Node:
    """The object that must stand there."""
    value = node_in(node, key)
    return _missing(key) if value is None else value


def nodes_in(node: Node, key: str) -> Sequence[Node]:
    """The objects of the list there; empty: it is missing."""
    return [as_node(value, f"an item of {key}") for value in _list(node, key)]


def texts_in(node: Node, key: str) -> Sequence[str]:
    """The strings of the list there; empty: it is missing."""
    return [_text(value, key) for value in _list(node, key)]


def text_in(node: Node, key: str) -> str | None:
    """The string that stands there, perhaps an empty one."""
    value = node.get(key)
    return None if value is None else _text(value, key)


def text_of(node: Node, key: str) -> str:
    """The string that must stand there, perhaps an empty one."""
    value = text_in(node, key)
    return _missing(key) if value is None else value


def id_in(node: Node, key: str) -> str | None:
    """An identifier as text, whether the provider writes it as a string or as a number; an empty one is none."""
    value = node.get(key)
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(_bounded(value, key))
    identifier = _text(value, key)
    if len(identifier) > ID_LENGTH_MAX:
        raise NotUnderstoodError(f"{key} has {len(identifier)} characters")
    return identifier or None


def id_of(node: Node, key: str) -> str:
    """The identifier that must stand there."""
    return id_in(node, key) or _missing(key)


def whole_in(node: Node, key: str) -> int | None:
    """A whole number of 64 bits, also one written in digits as a string."""
    value = node.get(key)
    if value is None:
        return None
    if isinstance(value, str) and len(value) < 20 and value.isascii() and value.removeprefix("-").isdigit():
        return _bounded(int(value), key)
    if isinstance(value, int) and not isinstance(value, bool):
        return _bounded(value, key)
    raise NotUnderstoodError(f"{key} is not a whole number")


def whole_of(node: Node, key: str) -> int:
    """The whole number that must stand there."""
    value = whole_in(node, key)
    return _missing(key) if value is None else value


def number_in(node: Node, key: str) -> float | None:
    """A finite number."""
    value = node.get(key)
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _WHOLE_MAX:
        return float(value)
    raise NotUnderstoodError(f"{key} is not a number")


def number_of(node: Node, key: str) -> float:
    """The number that must stand there."""
    value = number_in(node, key)
    return _missing(key) if value is None else value


def flag_in(node: Node, key: str) -> bool:
    """A boolean; false: it is missing."""
    value = node.get(key)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise NotUnderstoodError(f"{key} is not true or false")


def seconds_in(node: Node, key: str) -> int | None:
    """An instant in seconds, as milliseconds."""
    value = whole_in(node, key)
    return None if value is None else _instant(value * 1000, key)


def milliseconds_in(node: Node, key: str) -> int | None:
    """An instant in milliseconds."""
    value = whole_in(node, key)
    return None if value is None else _instant(value, key)


def within_bound(items: Iterable[Item]) -> Sequence[Item]:
    """The items, unless a delivery holds more of them than any provider sends."""
    kept: list[Item] = []
    for item in items:
        if len(kept) == ITEMS_MAX:
            raise NotUnderstoodError(f"more than {ITEMS_MAX} things in one delivery")
        kept.append(item)
    return kept


def clean(text: str) -> str:
    """Without NUL and halves of surrogate pairs; the getters have done it, keys have it still to do."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def _list(node: Node, key: str) -> Sequence[object]:
    value = node.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise NotUnderstoodError(f"{key} is not a list")
    return value


def _text(value: object, key: str) -> str:
    if not isinstance(value, str):
        raise NotUnderstoodError(f"{key} is not a string")
    return clean(value)


def _bounded(value: int, key: str) -> int:
    if abs(value) > _WHOLE_MAX:
        raise NotUnderstoodError(f"{key} is too large")
    return value


def _instant(at_ms: int, key: str) -> int:
    if not 0 <= at_ms <= _INSTANT_MS_MAX:
        raise NotUnderstoodError(f"{key} is no instant")
    return at_ms


def _missing(key: str) -> Never:
    raise NotUnderstoodError(f"{key} is missing")


def _no_number(word: str) -> Never:
    raise ValueError(word)
