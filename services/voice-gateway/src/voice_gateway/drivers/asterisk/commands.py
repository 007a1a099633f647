"""Our words as Asterisk's requests: pure. Requests: Asterisk's rest-api/api-docs."""

import re
from collections.abc import Mapping
from typing import Final

from voice_gateway.domain.commands import Dial, Provision, SendKeys
from voice_gateway.domain.words import Media, Phone, RefusedBecause
from voice_gateway.drivers.asterisk.ari import Ask
from voice_gateway.drivers.asterisk.names import leg_channel

# Q.850; Asterisk says them to the caller as 486, 403, 480 and 503.
CAUSES: Final[Mapping[RefusedBecause, int]] = {"busy": 17, "declined": 21, "unavailable": 20, "congested": 34}
NORMAL_CAUSE: Final = 16
TALK_KIND: Final = "mixing,dtmf_events"
"""Without the latter two legs of the same codec are joined below Asterisk's core, which then hears no keys."""
WAIT_KIND: Final = "holding"
FIRST_SECONDS: Final = 120
"""So long a leg lives before it is kept alive for the first time."""
GONE: Final = frozenset({404})
THERE: Final = frozenset({409})
_TOKEN: Final = re.compile(r"[A-Za-z0-9_.!%*+`'~-]+")
_DIALLED: Final = re.compile(r"[A-Za-z0-9_.*#+-]{1,80}")
_KEYS: Final = re.compile(r"[0-9A-D*#]{1,64}")
_SCHEMES: Final = ("sound:", "recording:", "tone:", "number:", "digits:", "characters:")
_DYNAMIC: Final = ("asterisk", "config", "dynamic")
_PJSIP: Final = (*_DYNAMIC, "res_pjsip")


class RefusedError(Exception):
    """Asterisk will not do it, or it cannot be said to Asterisk; the text says why."""


def channel(channel_id: str, *path: str, method: str = "POST", **query: str) -> Ask:
    """About a channel."""
    return Ask(method=method, path=("channels", channel_id, *path), query=tuple(query.items()))


def hang_up(channel_id: str, cause: int = NORMAL_CAUSE) -> Ask:
    """End it."""
    return Ask(method="DELETE", path=("channels", channel_id), query=(("reason_code", str(cause)),), done=GONE)


def open_bridge(bridge_id: str, kind: str = TALK_KIND, name: str = "") -> Ask:
    """Make it, if it is not there."""
    query = (("type", kind), *((("name", name),) if name else ()))
    return Ask(method="POST", path=("bridges", bridge_id), query=query, done=THERE)


def close_bridge(bridge_id: str) -> Ask:
    """End it, if it is there."""
    return Ask(method="DELETE", path=("bridges", bridge_id), done=GONE)


def music(channel_id: str, name: str) -> Ask:
    """Let a leg hear it, in place of all else but what is played to it. A bridge's own music would cost two channels
    for each, and stops for good when it is empty once."""
    return channel(channel_id, "moh", **({"mohClass": name} if name else {}))


def end_of_sound(channel_id: str, what: str) -> Ask:
    """No more music, or silence, for a leg; one that is gone has none."""
    return Ask(method="DELETE", path=("channels", channel_id, what), done=frozenset({404, 409, 412}))


def add(bridge_id: str, *channel_ids: str) -> Ask:
    """Put channels into a bridge. Who talks with whom is shown by the page, and no phone is told of each change."""
    query = (("channel", ",".join(channel_ids)), ("inhibitConnectedLineUpdates", "true"))
    return Ask(method="POST", path=("bridges", bridge_id, "addChannel"), query=query)


def set_variable(channel_id: str, name: str, value: str) -> Ask:
    """Of a channel; a function as well."""
    return Ask(method="POST", path=("channels", channel_id, "variable"), query=(("variable", name), ("value", value)))


def listen(channel_id: str, as_channel: str, app: str, *, spy: str, whisper: str = "none") -> Ask:
    """Make a channel that hears another, and may be heard by it."""
    query = (("spy", spy), ("whisper", whisper), ("app", app))
    return Ask(method="POST", path=("channels", channel_id, "snoop", as_channel), query=query, done=THERE)


def record(target: str, target_id: str, name: str, seconds_max: int) -> Ask:
    """Record a bridge or a channel; the file is WAV, 8 kHz, 16 bits."""
    query = (("name", name), ("format", "wav"), ("maxDurationSeconds", str(seconds_max)), ("ifExists", "fail"))
    return Ask(method="POST", path=(target, target_id, "record"), query=query, done=THERE)


def live_recording(recording_id: str, *what: str, method: str = "POST", done: frozenset[int] = frozenset()) -> Ask:
    """About a recording that runs."""
    return Ask(method=method, path=("recordings", "live", recording_id, *what), done=done)


def keys(channel_id: str, command: SendKeys) -> Ask:
    """Play tones. Raises RefusedError."""
    if not _KEYS.fullmatch(command.keys):
        raise RefusedError("keys are 0 to 9, A to D, * and #")
    return channel(channel_id, "dtmf", dtmf=command.keys)


def play(channel_id: str, playback_id: str, media: tuple[Media, ...]) -> Ask:
    """Play sounds in turn. Raises RefusedError."""
    if not media:
        raise RefusedError("there is nothing to play")
    # A comma parts sounds.
    uris = [uri if uri.startswith(_SCHEMES) else f"sound:{uri}" for uri in (each.uri for each in media)]
    told = ",".join(uri.replace(",", "%2C") for uri in uris)
    return channel(channel_id, "play", playback_id, media=told)


def dial(command: Dial, app: str, trunk: str) -> Ask:
    """Ring a phone; once it is answered, the application has it. Raises RefusedError."""
    to = command.to
    dialled = to.endpoint_id if isinstance(to, Phone) else to.number
    if not _DIALLED.fullmatch(dialled):
        raise RefusedError("there is no such number or phone")
    variables = {"TIMEOUT(absolute)": str(FIRST_SECONDS), "PJSIP_TRANSFER_HANDLING()": "ari-only"}
    variables |= {f"PJSIP_HEADER(add,{name})": value for name, value in _headers(command)}
    query = [
        ("endpoint", f"PJSIP/{dialled}" if isinstance(to, Phone) else f"PJSIP/{dialled}@{trunk}"),
        ("channelId", leg_channel(command.leg_id)),
        ("timeout", str(command.ring_seconds)),
        ("callerId", _caller_id(command)),
    ]
    if command.detects_machines:
        query += [("context", "amd"), ("extension", "s"), ("priority", "1")]
    else:
        query += [("app", app), ("appArgs", "dialled")]
    return Ask(method="POST", path=("channels",), query=tuple(query), body={"variables": variables}, done=THERE)


def _headers(command: Dial) -> list[tuple[str, str]]:
    headers = list(command.headers)
    if command.answers_itself:  # of the two ways each kind of phone knows one
        headers += [("Call-Info", "<sip:gateway>;answer-after=0"), ("Alert-Info", "info=alert-autoanswer")]
    for name, value in headers:
        if not _TOKEN.fullmatch(name) or not value.isprintable():
            raise RefusedError(f"{name[:40]!r} is no header")
    return headers


def _caller_id(command: Dial) -> str:
    shown = command.shown
    # What callers say of themselves may be anything; that must keep no agent's phone from ringing.
    if shown.number is None or not _DIALLED.fullmatch(shown.number):
        return '"Anonymous" <anonymous>'
    name = re.sub(r'["<>\\\x00-\x1f]', "", shown.name or "")
    return f'"{name}" <{shown.number}>' if name else f"<{shown.number}>"


def provision(command: Provision) -> tuple[Ask, ...]:
    """Make a phone known. Raises RefusedError."""
    endpoint_id = command.endpoint_id
    if not _DIALLED.fullmatch(endpoint_id):
        raise RefusedError("the phone's id cannot be dialled")
    media = {"disallow": "all", "allow": "opus,ulaw" if command.browser else "alaw,ulaw"}
    # What `webrtc` switches on stays on when a browser's phone becomes another, so that each is named.
    on = "yes" if command.browser else "no"
    of_browser = dict.fromkeys(("webrtc", "ice_support", "use_avpf", "rtcp_mux", "bundle"), on)
    of_browser |= {"dtls_auto_generate_cert": on, "media_encryption": "dtls" if command.browser else "no"}
    endpoint = {"auth": endpoint_id, "aors": endpoint_id, "context": "from-agent", "direct_media": "no"}
    endpoint |= {"rtp_symmetric": "yes", "force_rport": "yes", "rewrite_contact": "yes", **media, **of_browser}
    return (
        _put("auth", endpoint_id, {"auth_type": "userpass", "username": endpoint_id, "password": command.password}),
        _put("aor", endpoint_id, {"max_contacts": "1", "remove_existing": "yes", "support_path": "yes"}),
        _put("endpoint", endpoint_id, endpoint),
    )


def withdraw(endpoint_id: str) -> tuple[Ask, ...]:
    """Forget a phone."""
    kinds = ("endpoint", "aor", "auth")
    return tuple(Ask(method="DELETE", path=(*_PJSIP, kind, endpoint_id), done=GONE) for kind in kinds)


def stream_client(name: str, url: str) -> Ask:
    """Where a stream goes, by a name."""
    return _put("websocket_client", name, {"uri": url, "connection_type": "per_call_config"}, "res_websocket_client")


def forget_stream_client(name: str) -> Ask:
    """It streams no more."""
    return Ask(method="DELETE", path=(*_DYNAMIC, "res_websocket_client", "websocket_client", name), done=GONE)


def stream_channel(name: str, app: str) -> Ask:
    """A channel that is a stream."""
    query = [("channelId", name), ("app", app), ("external_host", name), ("transport", "websocket")]
    query += [("encapsulation", "none"), ("connection_type", "client"), ("format", "ulaw")]
    return Ask(method="POST", path=("channels", "externalMedia"), query=tuple(query), done=THERE)


def _put(kind: str, name: str, fields: Mapping[str, str], module: str = "res_pjsip") -> Ask:
    body = {"fields": [{"attribute": attribute, "value": value} for attribute, value in fields.items()]}
    return Ask(method="PUT", path=(*_DYNAMIC, module, kind, name), body=body)
