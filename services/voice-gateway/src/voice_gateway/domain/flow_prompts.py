"""The prompts that a flow plays by itself, under the names by which a tenant's own replace them."""

from typing import Final

WRONG_KEY: Final = "wrong_key"
RECORDED: Final = "recorded"
"""Told before a call is recorded."""
CONSENT: Final = "consent"
"""`yes` and `no`: the keys."""
POSITION: Final = "position"
"""`position`."""
EXPECTED_WAIT: Final = "expected_wait"
"""`from` and `to`: minutes."""
EXPECTED_WAIT_SHORT: Final = "expected_wait_short"
"""`to`: minutes at most."""
EXPECTED_WAIT_LONG: Final = "expected_wait_long"
CALLBACK_OFFER: Final = "callback_offer"
"""`key`."""
CALLBACK_CONFIRM: Final = "callback_confirm"
"""`number` and `key`."""
CALLBACK_MADE: Final = "callback_made"
CALLBACK_REFUSED: Final = "callback_refused"
CLOSED: Final = "closed"
NOBODY: Final = "nobody"
"""Last words of a call that the router has given up."""
BEEP: Final = "beep"
VOICEMAIL_TAKEN: Final = "voicemail_taken"
VOICEMAIL_EMPTY: Final = "voicemail_empty"
SURVEY_THANKS: Final = "survey_thanks"
GOODBYE: Final = "goodbye"

ENGLISH: Final = {
    "language": "For English, press {key}.",
    "voicemail": "Please leave a message after the tone. Press {key} when you are done.",
    WRONG_KEY: "This is not one of the keys.",
    RECORDED: "This call is recorded.",
    CONSENT: "May we record this call? Press {yes} for yes, {no} for no.",
    POSITION: "You are number {position} in line.",
    EXPECTED_WAIT: "You will probably wait between {from} and {to} minutes.",
    EXPECTED_WAIT_SHORT: "You will probably wait less than {to} minutes.",
    EXPECTED_WAIT_LONG: "You will probably wait more than an hour.",
    CALLBACK_OFFER: "If you want us to call you back, press {key}. You keep your place in line.",
    CALLBACK_CONFIRM: "We will call you at {number}. Press {key} if that is right, or any other key to wait here.",
    CALLBACK_MADE: "We will call you back. You keep your place in line. Goodbye.",
    CALLBACK_REFUSED: "We cannot call you back just now. Please stay on the line.",
    CLOSED: "Nobody can answer you at this time.",
    NOBODY: "Nobody can answer you just now. Please try again later. Goodbye.",
    VOICEMAIL_TAKEN: "Thank you for your message. Goodbye.",
    VOICEMAIL_EMPTY: "We have no message of yours. Goodbye.",
    SURVEY_THANKS: "Thank you. Goodbye.",
    GOODBYE: "Goodbye.",
}
"""The words of those that no tenant has given words; `beep` is a tone."""
