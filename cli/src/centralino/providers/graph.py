"""What WhatsApp, Messenger and Instagram share: Meta's Graph API and its webhooks.

Vendor's pages: "Webhooks: Getting Started" (challenge, X-Hub-Signature-256), "Webhooks from Meta" (retries with ever
longer pauses, up to 36 hours and for WhatsApp up to 7 days; batches), "Graph API: Securing Requests"
(appsecret_proof), "Graph API: Handling Errors".
"""

import hashlib
import hmac
import json
from collections.abc import Sequence
from hmac import compare_digest
from typing import ClassVar, Final
from urllib.parse import urlencode, urlsplit

from typing_extensions import override

from centralino.providers.vendor import Attempt, Event, Vendor
from centralino.providers.wire import Call, Parcel, Reply, json_reply, send

DAY_SECONDS: Final = 24 * 3600
USES: Final = ("app_secret", "access_token", "verify_token")
BACK_OFF_SECONDS: Final[tuple[float, ...]] = (
    1.0,
    5.0,
    30.0,
    120.0,
    600.0,
    1800.0,
    3600.0,
    3 * 3600.0,
    6 * 3600.0,
    12 * 3600.0,
    14 * 3600.0,
)
"""The documents say at once and then less and less often; the figures are ours."""


class Graph(Vendor):
    """A product of Meta's."""

    uses = USES
    signature_header = "X-Hub-Signature-256"
    retries_seconds: ClassVar[tuple[float, ...]] = BACK_OFF_SECONDS
    answer_seconds = 5.0
    batch_max = 1000
    told_of: str
    """The `object` of its deliveries."""

    def error(
        self, message: str, code: int, *, subcode: int | None = None, status: int = 400, kind: str = "OAuthException"
    ) -> Reply:
        """In Meta's form."""
        error: dict[str, object] = {"message": message, "type": kind, "code": code}
        if subcode is not None:
            error["error_subcode"] = subcode
        error["fbtrace_id"] = "A" + self.world.hexadecimal(22)
        return json_reply({"error": error}, status=status)

    def unauthorised(self, call: Call) -> Reply | None:
        """Token, and its proof if one is there; none if all is well."""
        given = call.headers.get("authorization", "").removeprefix("Bearer ") or call.query.get("access_token", "")
        token = self.secrets["access_token"]
        if not compare_digest(given.encode(), token.encode()):
            return self.error("Invalid OAuth access token - Cannot parse access token", 190, status=401)
        proof = hmac.new(self.secrets["app_secret"].encode(), token.encode(), hashlib.sha256).hexdigest()
        if "appsecret_proof" in call.query and not compare_digest(
            call.query["appsecret_proof"].encode(), proof.encode()
        ):
            return self.error("Invalid appsecret_proof provided in the API argument", 100, kind="GraphMethodException")
        return None

    def nothing_there(self, name: str) -> Reply:
        """An object that the token does not reach."""
        sentence = f"Unsupported post request. Object with ID '{name}' does not exist, cannot be loaded due to "
        return self.error(
            f"{sentence}missing permissions, or does not support this operation.",
            100,
            subcode=33,
            kind="GraphMethodException",
        )

    @override
    def is_send(self, call: Call) -> bool:
        return call.method == "POST" and call.path.endswith("/messages") and b'"status"' not in call.body[:200]

    @override
    def broken(self) -> Reply:
        return self.error("An unknown error has occurred.", 1, status=500)

    @override
    async def handshake(self, url: str) -> str:
        challenge = self.world.digits(10)
        query = {
            "hub.mode": "subscribe",
            "hub.challenge": challenge,
            "hub.verify_token": self.secrets["verify_token"],
        }
        mark = "&" if urlsplit(url).query else "?"
        answered = await send(
            Parcel(url=f"{url}{mark}{urlencode(query)}", method="GET"),
            timeout_seconds=self.answer_seconds,
            pool=self.world.pool,
        )
        if answered.status == 200 and answered.body == challenge.encode():
            return ""
        return f"answered {answered.status or answered.failure} without the challenge"

    @override
    def parcel(self, events: Sequence[Event], attempt: Attempt, url: str) -> Parcel:
        """Meta escapes what is not ASCII, and slashes, and signs that form."""
        entry = [{"id": self.entry_id, **self.stamped(event, attempt.at_ms)} for event in events]
        body = json.dumps({"object": self.told_of, "entry": entry}).replace("/", "\\/").encode()
        signature = hmac.new(self.secrets["app_secret"].encode(), body, hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "facebookexternalua",
            self.signature_header: f"sha256={signature}",
        }
        return Parcel(url=url, body=body, headers=headers)

    @property
    def entry_id(self) -> str:
        """Of the deliveries' entries."""
        return self.account_id

    def stamped(self, event: Event, at_ms: int) -> dict[str, object]:
        """The rest of an entry."""
        return dict(event.body)
