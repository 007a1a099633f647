"""Where the Asterisk of tests comes from, and what tests' telephones send."""

from voice_gateway.testing.asterisk_install import mirror
from voice_gateway.testing.phones import NAMES
from voice_gateway.testing.sip_messages import Sound, answer, digest, offer, parsed, sound_of
from voice_gateway.testing.sip_sound import coded, decoded, tone
from voice_gateway.testing.tones import WINDOW, names_in

INVITE = """INVITE sip:ada@127.0.0.1:5062 SIP/2.0\r
Via: SIP/2.0/UDP 127.0.0.1:5060;rport;branch=z9hG4bK1\r
From: "Anna" <sip:+3902@127.0.0.1>;tag=a\r
To: <sip:ada@127.0.0.1>\r
Call-ID: c1\r
CSeq: 7 INVITE\r
Content-Length: 0\r
\r
"""


def test_a_mirror_of_debian_is_read_from_either_form_of_sources() -> None:
    new_form = "Types: deb\n# old\nURIs: http://mirror.example/debian\nSuites: bookworm\n"
    old_form = "deb [signed-by=/k.gpg] https://mirror.example/pub/debian/ bookworm main\n"
    others = "URIs: http://mirror.example/debian-security\n", "deb https://mirror.example/node_20.x nodistro main\n"

    assert mirror([*others, new_form]) == "http://mirror.example/debian"
    assert mirror([old_form]) == "https://mirror.example/pub/debian"
    assert mirror(others) is None


def test_a_telephone_hears_its_tone_after_it_was_coded() -> None:
    tones = {name: 410 + 120 * place for place, name in enumerate(NAMES)}
    for name, hertz in tones.items():
        assert names_in(decoded(coded(tone(hertz, WINDOW))), tones) == {name}


def test_a_request_is_answered_to_where_it_came_from_with_our_tag() -> None:
    invite = parsed(INVITE.encode())
    assert invite is not None
    assert (invite.method, invite.uri, invite.cseq, invite.branch) == (
        "INVITE",
        "sip:ada@127.0.0.1:5062",
        (7, "INVITE"),
        "z9hG4bK1",
    )
    told = parsed(answer(invite, 180, tag="t").written())

    assert told is not None
    assert (told.status, told.get("to"), told.get("Via")) == (180, "<sip:ada@127.0.0.1>;tag=t", invite.get("Via"))
    assert parsed(b"\r\n\r\n") is None


def test_a_description_of_sound_says_where_and_whether() -> None:
    sound = Sound(host="127.0.0.1", port=4000, direction="sendonly")

    assert sound_of(offer(sound, 1)) == sound
    assert sound_of("v=0") is None


def test_a_challenge_is_answered_as_the_example_of_the_specification() -> None:
    challenge = 'Digest realm="testrealm@host.com", qop="auth", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5c"'
    told = digest(challenge, username="Mufasa", password="Circle Of Life", method="GET", uri="/dir/index.html")

    assert 'opaque="5c"' in told
    # RFC 2617 §3.5, whose client nonce is the one that is used here.
    assert 'response="6629fae49393a05397450978507c4ef1"' in told
