"""What the agent's page says of a message that was not delivered."""

import inspect
import re
from importlib.resources import files

from gatewaykit.domain.outgoing import PROVIDER_AWAY, WINDOW_CLOSED
from gatewaykit.domain.provider import Refused


def test_every_reason_that_providers_share_has_a_sentence() -> None:
    words = (files("centralino") / "pages" / "agent" / "words.js").read_text()
    told = re.findall(r'^  (\w+): "', words.partition("const WHY = {")[2].partition("};")[0], re.MULTILINE)
    shared = re.findall(r"`([a-z]+_[a-z_]+)`", inspect.getdoc(Refused) or "")

    assert len(shared) == 5
    assert {*shared, PROVIDER_AWAY, WINDOW_CLOSED, "blocked"} <= set(told)
