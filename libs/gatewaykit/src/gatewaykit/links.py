"""Links to kept files, short-lived and signed: whoever has one may fetch that file until it expires, and nothing else.

`/files/<blob id>?tenant=…&as=attachment&until=<seconds>&name=…&key=…&sig=…`. The signature is HMAC-SHA256 over all of
it, so that no part can be changed or used with another. Two secrets count: the current one signs, the one before is
still believed; `key` names which, by a digest of the secret itself, so that nobody must number them.
"""

import hashlib
import hmac
import json
import re
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import quote, urlencode

Disposition = Literal["attachment", "inline"]

SECRET_LENGTH_MIN: Final = 32
NAME_LENGTH_MAX: Final = 200
ENDING_LENGTH_MAX: Final = 10

# Control characters, and those that turn the direction of what follows: "exe.fdp" shown as "pdf.exe".
_INVISIBLE: Final = re.compile(r"[\0-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff]")
_SEPARATORS: Final = re.compile(r'[\\/:*?"<>|%;]')


class LinkForgedError(Exception):
    """The link was not made by us, or was changed."""


class LinkExpiredError(Exception):
    """The link was good once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What a link lets its holder fetch; `name` is the file's own, empty for none."""

    tenant_id: str
    blob_id: str
    expires_at_ms: int
    disposition: Disposition = "attachment"
    name: str = ""


class LinkKeys:
    """The secrets that sign links, the current one first and perhaps the one before."""

    def __init__(self, secrets: Sequence[str]) -> None:
        if not 1 <= len(secrets) <= 2 or any(len(secret) < SECRET_LENGTH_MIN for secret in secrets):
            raise ValueError(f"links need one or two secrets of at least {SECRET_LENGTH_MIN} characters")
        self._keys = {hashlib.sha256(f"key id {secret}".encode()).hexdigest()[:8]: secret for secret in secrets}

    def signed(self, link: Link) -> str:
        """The link's path and query below the prefix of its service; whole seconds, rounded down."""
        key, secret = next(iter(self._keys.items()))
        values = {
            "tenant": link.tenant_id,
            "as": link.disposition,
            "until": str(link.expires_at_ms // 1000),
            "name": clean_name(link.name),
            "key": key,
        }
        signature = _signature(secret, link.blob_id, values)
        return f"/files/{link.blob_id}?{urlencode({**values, 'sig': signature}, quote_via=quote)}"

    def checked(self, blob_id: str, query: Mapping[str, str], *, now_ms: int) -> Link:
        """The link that somebody came with. Raises LinkForgedError, or LinkExpiredError for a good one of the past."""
        values = {name: query.get(name, "") for name in ("tenant", "as", "until", "name", "key")}
        secret, disposition = self._keys.get(values["key"]), values["as"]
        if secret is None or not hmac.compare_digest(
            _signature(secret, blob_id, values).encode(), query.get("sig", "").encode(errors="replace")
        ):
            raise LinkForgedError
        # What is signed was well-formed when we signed it.
        expires_at_ms = int(values["until"]) * 1000
        if now_ms >= expires_at_ms:
            raise LinkExpiredError
        return Link(
            tenant_id=values["tenant"],
            blob_id=blob_id,
            expires_at_ms=expires_at_ms,
            disposition="inline" if disposition == "inline" else "attachment",
            name=values["name"],
        )


def content_disposition(disposition: Disposition, name: str, *, extension: str = "") -> str:
    """The header (RFC 6266): a name in ASCII for old programs, the whole one beside it (RFC 8187). An empty name
    becomes `file` with the extension."""
    shown = clean_name(name) or f"file{extension}"
    plain = shown.encode("ascii", "replace").decode().replace("?", "_")
    whole = "" if plain == shown else f"; filename*=UTF-8''{quote(shown, safe='')}"
    return f'{disposition}; filename="{plain}"{whole}'


def clean_name(name: str) -> str:
    """The name of a file without what could leave a folder, hide its ending, or end a header; at most NAME_LENGTH_MAX
    characters, its ending kept; perhaps empty."""
    shown = " ".join(_SEPARATORS.sub("_", _INVISIBLE.sub("", name)).split()).strip(". ")
    if len(shown) <= NAME_LENGTH_MAX:
        return shown
    stem, dot, ending = shown.rpartition(".")
    kept = f"{dot}{ending}" if stem and len(ending) <= ENDING_LENGTH_MAX else ""
    return shown[: NAME_LENGTH_MAX - len(kept)] + kept


def _signature(secret: str, blob_id: str, values: Mapping[str, str]) -> str:
    text = json.dumps([blob_id, *(values[name] for name in ("tenant", "as", "until", "name", "key"))])
    digest = hmac.digest(secret.encode(), f"centralino file link\n{text}".encode(), "sha256")
    return urlsafe_b64encode(digest).rstrip(b"=").decode()
