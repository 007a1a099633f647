"""Documents that tell a call what to do: www.twilio.com/docs/voice/twiml, "TwiML for Programmable Voice", "<Gather>",
"<Conference>", "<Play>", "<Reject>", "<Connect>", "<Stream>".

Each of them ends in a place where the call stays - a conference, music, silence - and then asks again: a call never
runs out of words, which would end it. What a call hears outside a conference stands in a <Gather>, for in a conference
Twilio hears no keys.
"""

from collections.abc import Mapping, Sequence
from typing import Final
from xml.sax.saxutils import escape, quoteattr

SILENCE_SECONDS: Final = 60
KEYS_SECONDS: Final = 1
"""So long after a key there may come another; then all are told at once."""
CONFERENCE_EVENTS: Final = "start end join leave mute hold modify"


def rejected(reason: str) -> str:
    """Before anything else, so that the call is not answered: `busy` or `rejected`."""
    return _document(f"<Reject reason={quoteattr(reason)}/>")


def over() -> str:
    """The call ends."""
    return _document("<Hangup/>")


def listening(*, uris: Sequence[str], keys_url: str, next_url: str) -> str:
    """Sounds one after the other, then `next_url`; keys interrupt them and are told to `keys_url`."""
    return _document(_gather("".join(f"<Play>{escape(uri)}</Play>" for uri in uris), keys_url) + _redirect(next_url))


def music(*, uri: str, keys_url: str, next_url: str) -> str:
    """Music without an end."""
    return _document(_gather(f'<Play loop="0">{escape(uri)}</Play>', keys_url) + _redirect(next_url))


def silence(*, keys_url: str, next_url: str) -> str:
    """Nothing, then the same again."""
    return _document(_gather(f'<Pause length="{SILENCE_SECONDS}"/>', keys_url) + _redirect(next_url))


def conference(name: str, attributes: Mapping[str, str], *, events_url: str, next_url: str) -> str:
    """A talk. Alone in it, one hears nothing; its end is not the call's."""
    told = {
        "beep": "false",
        "startConferenceOnEnter": "true",
        "endConferenceOnExit": "false",
        "waitUrl": "",
        "statusCallback": events_url,
        "statusCallbackEvent": CONFERENCE_EVENTS,
        "statusCallbackMethod": "POST",
        **attributes,
    }
    words = " ".join(f"{key}={quoteattr(value)}" for key, value in told.items())
    return _document(f"<Dial><Conference {words}>{escape(name)}</Conference></Dial>{_redirect(next_url)}")


def stream(name: str, url: str, *, next_url: str) -> str:
    """The call and a bot hear one another until the bot closes its socket."""
    words = f"<Stream name={quoteattr(name)} url={quoteattr(url)}/>"
    return _document(f"<Connect>{words}</Connect>{_redirect(next_url)}")


def music_again(uri: str, next_url: str) -> str:
    """Of a call whose gateway is away: music once, then ask it again."""
    return _document(f"<Play>{escape(uri)}</Play>{_redirect(next_url)}")


def with_keys(document: str, keys: str) -> str:
    """The same after these keys have been sent to the phone."""
    return document.replace("<Response>", f"<Response><Play digits={quoteattr(keys)}/>", 1)


def _document(inner: str) -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?><Response>{inner}</Response>'


def _redirect(url: str) -> str:
    return f'<Redirect method="POST">{escape(url)}</Redirect>'


def _gather(inner: str, keys_url: str) -> str:
    words = f'input="dtmf" finishOnKey="" timeout="{KEYS_SECONDS}" action={quoteattr(keys_url)} method="POST"'
    return f"<Gather {words}>{inner}</Gather>"
