"""Of calls a configuration says what can be; what cannot is a fault with its path, and what to do about it."""

import json
from typing import Any

import pytest
from contracts.configuration_faults import InvalidConfigurationError, read_configuration
from contracts.voice_parts import OWN_PROMPTS, Flow, Prompt, address_of

Json = dict[str, Any]  # Any: JSON

PROMPTS: list[Json] = [
    {"id": "welcome", "domain": "main", "texts": {"en": "Welcome.", "it": "Benvenuti."}},
    {"id": "what", "domain": "main", "files": {"en": "what/en.wav", "it": "https://shop.example/what-it.wav"}},
]
FLOW: Json = {
    "id": "shop",
    "domain": "main",
    "language": "it",
    "languages": [{"key": "1", "language": "it"}, {"key": "2", "language": "en"}],
    "welcome": "welcome",
    "menu": "first",
    "menus": [
        {"id": "first", "prompt": "what", "items": [{"key": "1", "queue": "help"}, {"key": "2", "menu": "second"}]},
        {"id": "second", "prompt": "what", "items": [{"key": "1", "attributes": {"topic": "order"}}]},
    ],
    "back_key": "*",
    "announcements": {"prompts": ["welcome"]},
    "callback": {"key": "5"},
    "voicemail": {"queue": "help"},
    "survey": {"id": "how", "questions": [{"id": "solved", "prompt": "what"}]},
}


def document(**changes: Any) -> Json:  # Any: JSON
    base: Json = {
        "clients": ["shop"],
        "domains": [{"id": "main", "supervision": {"announced": False}}, {"id": "other"}],
        "queues": [{"id": "help", "domain": "main", "name": "Help"}],
        "agents": [{"id": "ana", "domain": "main", "name": "Ana", "phone": {"kind": "browser"}}],
        "channels": [
            {
                "address": "tel:390212345678",
                "channel": "voice",
                "client": "shop",
                "domain": "main",
                "queue": "help",
                "flow": "shop",
                "caller_id": "+390212345678",
            }
        ],
        "prompts": PROMPTS,
        "flows": [FLOW],
        "recording": [{"id": "all", "domain": "main", "queues": ["help"], "clients": ["shop"], "consent": "ask"}],
        "extensions": [
            {"id": "10", "domain": "main", "queue": "help"},
            {"id": "11", "domain": "main", "agent": "ana"},
        ],
    }
    return {**base, **changes}


def faults(**changes: Any) -> dict[str, str]:  # Any: JSON
    try:
        read_configuration(json.dumps(document(**changes)).encode())
    except InvalidConfigurationError as error:
        return {fault.path: fault.message for fault in error.faults}
    return {}


def flow(**changes: Any) -> Json:  # Any: JSON
    return {"flows": [FLOW | changes]}


def menus(*chains: str) -> Json:
    """Menus of one letter each, which lead to those that stand behind theirs."""
    listed = [
        {
            "id": chain[0],
            "prompt": "what",
            "items": [{"key": str(key), "menu": below} for key, below in enumerate(chain[1:])]
            or [{"key": "0", "queue": "help"}],
        }
        for chain in chains
    ]
    return flow(menu=chains[0][0], menus=listed)


def test_all_that_calls_may_have_is_no_fault() -> None:
    assert faults() == {}
    assert faults(**menus("abc", "bc", "c")) == {}


DANGLING: list[tuple[Json, str, str]] = [
    (flow(domain="nowhere"), "/flows/0/domain", "there is no domain 'nowhere'"),
    (flow(welcome="hello"), "/flows/0/welcome", "add it to `prompts`"),
    (
        flow(domain="other", menus=[], menu=None, survey=None, voicemail=None),
        "/flows/0/welcome",
        "'other' has no prompt",
    ),
    (flow(menu="third"), "/flows/0/menu", "add it to `menus`"),
    (flow(announcements={"prompts": ["welcome", "x"]}), "/flows/0/announcements/prompts/1", "no prompt 'x'"),
    (flow(voicemail={"queue": "x"}), "/flows/0/voicemail/queue", "no queue 'x'"),
    (flow(voicemail={"prompt": "x"}), "/flows/0/voicemail/prompt", "no prompt 'x'"),
    (flow(survey={"id": "s", "questions": [{"id": "q", "prompt": "x"}]}), "/flows/0/survey/questions/0/prompt", "'x'"),
    (
        flow(menus=[{"id": "first", "prompt": "x", "items": [{"key": "1", "menu": "y"}, {"key": "2", "queue": "z"}]}]),
        "/flows/0/menus/0/items/0/menu",
        "no menu 'y'",
    ),
    ({"recording": [{"id": "r", "domain": "main", "queues": ["x"]}]}, "/recording/0/queues/0", "no queue 'x'"),
    ({"recording": [{"id": "r", "domain": "main", "clients": ["x"]}]}, "/recording/0/clients/0", "no client 'x'"),
    ({"extensions": [{"id": "1", "domain": "main", "queue": "x"}]}, "/extensions/0/queue", "no queue 'x'"),
    ({"extensions": [{"id": "1", "domain": "other", "agent": "ana"}]}, "/extensions/0/agent", "'other' has no agent"),
    ({"flows": []}, "/channels/0/flow", "'main' has no flow 'shop'"),
    ({"prompts": [*PROMPTS, PROMPTS[0]]}, "/prompts/0", "2 times"),
    ({"extensions": [{"id": "1", "domain": "main", "queue": "help"}] * 2}, "/extensions/1", "2 times"),
]


@pytest.mark.parametrize(("changes", "path", "words"), DANGLING)
def test_what_leads_nowhere_is_named_by_its_path(changes: Json, path: str, words: str) -> None:
    assert words in faults(**changes).get(path, "")


KEYS: list[tuple[Json, str, str]] = [
    (flow(languages=[{"key": "1", "language": "it"}, {"key": "1", "language": "en"}]), "/flows/0/languages/1/key", "2"),
    (flow(back_key="2"), "/flows/0/menus/0/items/1/key", "the flow's `back_key`"),
    (flow(repeat_key="*"), "/flows/0/back_key", "the `repeat_key` already"),
    (
        flow(menus=[{"id": "first", "prompt": "what", "default_key": "9", "items": [{"key": "1", "queue": "help"}]}]),
        "/flows/0/menus/0/default_key",
        "no item of this menu has the key '9'",
    ),
    (
        flow(survey={"id": "s", "questions": [{"id": "q", "prompt": "what"}] * 2}),
        "/flows/0/survey/questions/1/id",
        "rename it",
    ),
    (menus("ab", "ba"), "/flows/0/menus/1/items/0/menu", "leads back to itself"),
    (menus("aa"), "/flows/0/menus/0/items/0/menu", "leads back to itself"),
    (menus("ab", "bc", "cd", "d"), "/flows/0/menus/2/items/0/menu", "more than 3"),
    (menus("a", "a"), "/flows/0/menus/1/id", "2 times"),
]


@pytest.mark.parametrize(("changes", "path", "words"), KEYS)
def test_keys_and_menus_with_two_meanings_are_named_by_their_path(changes: Json, path: str, words: str) -> None:
    assert words in faults(**changes).get(path, "")


FORMS: list[tuple[Json, str, str]] = [
    ({"prompts": [{"id": "welcome", "domain": "main"}]}, "/prompts/0", "`texts` or `files`"),
    (
        {"prompts": [{"id": "welcome", "domain": "main", "texts": {"it": "Ciao"}, "files": {"it": "a.wav"}}]},
        "/prompts/0",
        "it stands in `texts` and in `files`",
    ),
    ({"prompts": [{"id": "w", "domain": "main", "files": {"it": "../a.wav"}}]}, "/prompts/0/files/it", "https://"),
    ({"prompts": [{"id": "w", "domain": "main", "files": {"it": "http://a/b"}}]}, "/prompts/0/files/it", "https://"),
    (flow(callback={"key": "12"}), "/flows/0/callback/key", "one key of a telephone"),
    (
        flow(menus=[{"id": "a", "prompt": "what", "items": [{"key": "1"}]}]),
        "/flows/0/menus/0/items/0",
        "without effect",
    ),
    (
        flow(menus=[{"id": "a", "prompt": "what", "items": [{"key": "1", "menu": "b", "queue": "c"}]}]),
        "/flows/0/menus/0/items/0",
        "not to both",
    ),
    (
        {"agents": [{"id": "ana", "domain": "main", "name": "Ana", "phone": {"kind": "number"}}]},
        "/agents/0/phone",
        "`number` belongs to `kind: number`",
    ),
    (
        {"agents": [{"id": "a", "domain": "main", "name": "A", "phone": {"kind": "number", "number": "02 1234"}}]},
        "/agents/0/phone/number",
        "digits without spaces",
    ),
    ({"extensions": [{"id": "1", "domain": "main"}]}, "/extensions/0", "either to a `queue` or to an `agent`"),
    (
        {"channels": [document()["channels"][0] | {"channel": "webchat"}]},
        "/channels/0",
        "belong to the channel `voice`",
    ),
]


@pytest.mark.parametrize(("changes", "path", "words"), FORMS)
def test_a_part_that_contradicts_itself_is_refused_with_what_to_do(changes: Json, path: str, words: str) -> None:
    assert words in faults(**changes).get(path, "")


def test_the_prompts_of_the_gateway_s_own_need_no_words_of_the_tenant_s() -> None:
    own = {"flows": [FLOW | {"menu": None, "menus": [], "welcome": "closed", "announcements": None, "survey": None}]}

    assert "closed" in OWN_PROMPTS
    assert faults(**own, prompts=[]) == {}


def test_a_flow_knows_what_it_plays_and_a_prompt_its_languages() -> None:
    assert [name for _, name in Flow.model_validate(FLOW).prompts()] == [
        "language",
        "welcome",
        "what",
        "what",
        "welcome",
        "voicemail",
        "what",
    ]
    assert Prompt.model_validate(PROMPTS[0]).languages() == {"en", "it"}


@pytest.mark.parametrize(
    ("number", "address"),
    [("+39 02 123", "tel:3902123"), ("0039-02", "tel:003902"), ("Shop", "tel:shop"), ("*61", "tel:61")],
)
def test_a_called_number_is_looked_up_by_its_digits(number: str, address: str) -> None:
    assert address_of(number) == address
