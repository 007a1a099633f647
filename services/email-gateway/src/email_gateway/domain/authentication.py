"""Who vouches for the sender: Authentication-Results (RFC 8601) of our own server, and of nobody else.

Ask only of mail that came through that server: of all other mail the sender wrote them. It removes such fields of
others' (RFC 8601 section 5); of one that may not, the topmost field alone is its own.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Final, Literal

from email_gateway.domain.charsets import clean
from email_gateway.domain.headers import Headers

Result = Literal["none", "pass", "fail", "softfail", "neutral", "policy", "temperror", "permerror", "unknown"]
_RESULTS: Final[dict[str, Result]] = {
    "none": "none",
    "pass": "pass",
    "fail": "fail",
    "hardfail": "fail",
    "softfail": "softfail",
    "neutral": "neutral",
    "policy": "policy",
    "temperror": "temperror",
    "permerror": "permerror",
}
_FIELDS_MAX: Final = 20
_RESULTS_MAX: Final = 50
_COMMENT_DEPTH_MAX: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodResult:
    """`dkim=pass header.d=example.org`: properties by `type.name`."""

    method: str
    result: Result
    properties: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What our server found; `unknown` where it said nothing."""

    spf: Result = "unknown"
    dkim: Result = "unknown"
    dmarc: Result = "unknown"
    domain: str | None = None
    """For which domain it was found: of DMARC, else of the signature that passed."""
    from_domain: str | None = None
    """Of the sender that DMARC was asked for, where the server says it."""
    by_forwarder: str | None = None
    """The sealer whose word on DMARC was taken (ARC), where that is configured."""

    @property
    def is_vouched(self) -> bool:
        """The address in From may be believed: only DMARC looks at it."""
        return self.dmarc == "pass"

    @property
    def is_failed(self) -> bool:
        """Never link it to a customer, nor start anything by itself."""
        return self.dmarc == "fail" or (self.dmarc == "unknown" and "fail" in (self.spf, self.dkim))


def judge(
    headers: Headers,
    authserv_id: str,
    *,
    topmost_alone: bool = False,
    trusted_sealers: frozenset[str] = frozenset(),
) -> Verdict:
    """`topmost_alone`: of the server's fields only the topmost counts, for those below it may be a sender's. A run of
    fields right below each other would not do: in a message without a trace of others the forged ones are next.

    `trusted_sealers`: domains of forwarders whose ARC seal may mend a failed DMARC; none by default.
    """
    read = (parse_results(value) for value in headers.all("authentication-results")[:_FIELDS_MAX])
    fields = [results for identity, results in read if identity == authserv_id.lower()]
    found: dict[str, MethodResult] = {}
    for one in chain.from_iterable(fields[:1] if topmost_alone else fields):
        # Several signatures: one that passed is enough (RFC 6376 section 6.1).
        if one.method not in found or (one.method == "dkim" and found["dkim"].result != "pass" == one.result):
            found[one.method] = one
    sealer = _sealer(headers, found, trusted_sealers)
    dmarc = _result(found, "dmarc")
    return Verdict(
        spf=_result(found, "spf"),
        dkim=_result(found, "dkim"),
        dmarc="pass" if sealer else dmarc,
        domain=_domain(found),
        from_domain=found["dmarc"].properties.get("header.from") if "dmarc" in found else None,
        by_forwarder=sealer,
    )


def _result(found: dict[str, MethodResult], method: str) -> Result:
    return found[method].result if method in found else "unknown"


def _domain(found: dict[str, MethodResult]) -> str | None:
    for method, name in (("dmarc", "header.from"), ("dkim", "header.d"), ("dkim", "header.i")):
        if method in found and name in found[method].properties:
            return found[method].properties[name].rpartition("@")[2].lower()
    return None


def _sealer(headers: Headers, found: dict[str, MethodResult], trusted: frozenset[str]) -> str | None:
    """The trusted domain whose newest seal our server found good, if it saw DMARC pass."""
    if not trusted or _result(found, "arc") != "pass" or _result(found, "dmarc") != "fail":
        return None
    seals = [_tags(value) for value in headers.all("arc-seal")[:_FIELDS_MAX]]
    newest = max(seals, key=lambda tags: _instance(tags.get("i", "")), default={})
    domain = newest.get("d", "").lower()
    if domain not in trusted:
        return None
    for value in headers.all("arc-authentication-results")[:_FIELDS_MAX]:
        instance, _, rest = value.partition(b";")
        if _tags(instance).get("i") == newest.get("i"):
            _, results = parse_results(rest)
            if any(one.method == "dmarc" and one.result == "pass" for one in results):
                return domain
    return None


def _instance(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 4 else 0


def _tags(value: bytes) -> dict[str, str]:
    pairs = (piece.partition("=") for piece in value.decode("ascii", "replace").split(";"))
    return {name.strip(): text.strip() for name, _, text in pairs}


def parse_results(value: bytes) -> tuple[str, list[MethodResult]]:
    """The server's id in lower case, and its results; empty where the field is broken or has another version."""
    sections = _sections(clean(value.decode("utf-8", "replace")))
    head = next(sections, [])
    if not head or (len(head) > 1 and head[1] != "1"):
        return "", []
    found: list[MethodResult] = []
    for words in sections:
        one = _method(words)
        if one is not None and len(found) < _RESULTS_MAX:
            found.append(one)
    return head[0].lower(), found


def _method(words: list[str]) -> MethodResult | None:
    pairs = [(name.lower(), value) for name, value in _pairs(words)]
    if not pairs:
        return None
    (method, result), *properties = pairs
    return MethodResult(
        method=method.partition("/")[0],
        result=_RESULTS.get(result.lower(), "unknown"),
        properties={name: value for name, value in properties if "." in name},
    )


def _pairs(words: list[str]) -> Iterator[tuple[str, str]]:
    """`a=b`, `a = b`, `a= b`."""
    place = 0
    while place < len(words):
        if place + 2 < len(words) and words[place + 1] == "=":
            yield words[place], words[place + 2]
            place += 3
        else:
            place += 1


def _sections(text: str) -> Iterator[list[str]]:
    """Words and `=` between semicolons, without comments and quotes."""
    words: list[str] = []
    word: list[str] = []
    position = 0

    def end_word() -> None:
        if word:
            words.append("".join(word))
            word.clear()

    while position < len(text):
        char = text[position]
        if char == "(":
            end_word()
            position = _after_comment(text, position)
            continue
        if char == '"':
            position = _quoted(text, position, word)
            continue
        if char in " \t\r\n=;":
            # `pass` after `=` may hold an equals sign itself (header.b=abc=): only the first one parts.
            if char == "=" and words and words[-1] == "=":
                word.append(char)
            else:
                end_word()
                if char == "=":
                    words.append("=")
            if char == ";":
                yield words
                words = []
        else:
            word.append(char)
        position += 1
    end_word()
    yield words


def _after_comment(text: str, position: int) -> int:
    depth = 0
    while position < len(text):
        char = text[position]
        position += 1 + (char == "\\")
        if char == "(":
            depth = min(depth + 1, _COMMENT_DEPTH_MAX)
        elif char == ")":
            depth -= 1
            if depth == 0:
                break
    return position


def _quoted(text: str, position: int, word: list[str]) -> int:
    position += 1
    while position < len(text) and text[position] != '"':
        position += text[position] == "\\"
        word.append(text[position : position + 1])
        position += 1
    return position + 1
