"""What `centralino up` starts."""

from urllib.parse import parse_qs, urlsplit

from centralino.providers.catalogue import VENDORS
from centralino.services import services


def test_each_simulated_provider_has_a_page_of_its_own() -> None:
    pages = {name: path for spec in services() for name, path in spec.pages.items() if name.startswith("simulated-")}

    assert {name: parse_qs(urlsplit(path).query)["provider"] for name, path in pages.items()} == {
        f"simulated-{name}": [name] for name in VENDORS
    }
