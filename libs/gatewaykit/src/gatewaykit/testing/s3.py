"""S3 for tests, strict: an answer for FakeHttp that keeps objects in memory and checks every signature.

What it says follows https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
for the four requests that we make; any other is a 501, which no caller expects.
"""

import hashlib
import re
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

from servicekit.ports import Clock, HttpReply, HttpRequest

from gatewaykit.sigv4 import S3Keys, signed_headers

_AUTHORIZATION: Final = re.compile(r"AWS4-HMAC-SHA256 Credential=[^,]+,SignedHeaders=([a-z0-9;-]+),Signature=\w{64}")
SKEW_MS_MAX: Final = 900_000


class S3Server:
    """Give `answer` to FakeHttp. Objects stand in `objects` by the path of their URL; `conditional` off: it knows no
    If-None-Match for PUT, as older stores do."""

    def __init__(self, keys: S3Keys, clock: Clock, *, conditional: bool = True) -> None:
        self.objects: dict[str, tuple[dict[str, str], bytes]] = {}
        self._keys = keys
        self._clock = clock
        self._conditional = conditional

    async def answer(self, request: HttpRequest) -> HttpReply:
        """See Answer."""
        if not self._is_signed(request):
            return _error(403, request, "SignatureDoesNotMatch")
        path = urlsplit(request.url).path
        match request.method:
            case "PUT":
                return self._put(path, request)
            case "DELETE":
                self.objects.pop(path, None)
                return HttpReply(status=204, headers={}, body=b"")
            case "GET" | "HEAD" if path not in self.objects:
                return _error(404, request, "NoSuchKey")
            case "HEAD":
                headers, body = self.objects[path]
                return HttpReply(status=200, headers={**headers, "content-length": str(len(body))}, body=b"")
            case "GET":
                return self._get(path, request)
        return _error(501, request, "NotImplemented")

    def _put(self, path: str, request: HttpRequest) -> HttpReply:
        if path in self.objects and self._conditional and request.headers.get("if-none-match") == "*":
            return _error(412, request, "PreconditionFailed")
        kept = {name: value for name, value in request.headers.items() if name.startswith("x-amz-meta-")}
        self.objects[path] = ({"content-type": request.headers["content-type"], **kept}, request.body)
        return HttpReply(status=200, headers={}, body=b"")

    def _get(self, path: str, request: HttpRequest) -> HttpReply:
        headers, body = self.objects[path]
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers.get("range", ""))
        if asked is None or int(asked[1]) > int(asked[2]):
            return HttpReply(status=200, headers=headers, body=body)
        if int(asked[1]) >= len(body):
            return _error(416, request, "InvalidRange")
        return HttpReply(status=206, headers=headers, body=body[int(asked[1]) : int(asked[2]) + 1])

    def _is_signed(self, request: HttpRequest) -> bool:
        """Signed by the key, over what came, with every header that S3 demands, and not long ago."""
        given = request.headers.get("authorization", "")
        claimed = _AUTHORIZATION.fullmatch(given)
        names = claimed[1].split(";") if claimed else []
        demanded = {name for name in request.headers if name.startswith("x-amz-")} | {"host", "x-amz-date"}
        if not demanded <= set(names) <= set(request.headers):
            return False
        at_ms = _instant_ms(request.headers["x-amz-date"])
        covered = {name: request.headers[name] for name in names}
        body_sha256 = hashlib.sha256(request.body).hexdigest()
        again = signed_headers(request.method, request.url, covered, body_sha256, self._keys, now_ms=at_ms)
        recent = abs(self._clock.now_ms() - at_ms) <= SKEW_MS_MAX
        return recent and all(again[name] == request.headers[name] for name in ("authorization", *names))


def _instant_ms(text: str) -> int:
    return int(datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp() * 1000)


def _error(status: int, request: HttpRequest, code: str) -> HttpReply:
    body = b"" if request.method == "HEAD" else f"<Error><Code>{code}</Code></Error>".encode()
    return HttpReply(status=status, headers={"content-type": "application/xml"}, body=body)
