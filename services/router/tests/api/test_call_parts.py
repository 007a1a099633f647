"""What the configuration says of calls becomes records of topic `config`, and its faults are told beside others."""

from contracts.configuration import TenantConfiguration
from contracts.configuration_records import ConfigurationPart
from router.api.administration import faults_beside
from router.api.configuration import changed_records, faults_of

BASE: dict[str, object] = {
    "clients": ["shop"],
    "domains": [{"id": "main"}],
    "queues": [{"id": "help", "domain": "main", "name": "Help"}],
    "prompts": [{"id": "hello", "domain": "main", "texts": {"en": "Hello."}}],
    "flows": [{"id": "shop", "domain": "main", "welcome": "hello"}],
    "recording": [{"id": "some", "domain": "main", "queues": ["help"]}, {"id": "all", "domain": "main"}],
    "extensions": [{"id": "10", "domain": "main", "queue": "help"}],
}


def parts(before: dict[str, object] | None, after: dict[str, object]) -> dict[str, dict[str, object] | None]:
    """The values of those records that later releases brought, by id."""
    old = TenantConfiguration.model_validate(before) if before else None
    records = changed_records(2, TenantConfiguration.model_validate(after), old, {"main": 0})
    return {each.id: each.value for each in records if isinstance(each, ConfigurationPart)}


def test_prompts_flows_and_extensions_are_records_of_their_own_and_policies_one_of_the_domain() -> None:
    told = parts(None, BASE)

    assert sorted(told) == ["extension:main/10", "flow:main/shop", "prompt:main/hello", "recording:main"]
    recording = told["recording:main"]
    assert recording is not None
    assert [(policy["id"], policy["queues"]) for policy in recording["policies"]] == [("some", ["help"]), ("all", [])]  # type: ignore[attr-defined]  # JSON


def test_another_order_of_policies_is_told_and_the_last_one_s_going_too() -> None:
    turned = BASE | {"recording": list(reversed(BASE["recording"]))}  # type: ignore[call-overload]  # JSON

    assert list(parts(BASE, turned)) == ["recording:main"]
    assert parts(BASE, BASE | {"recording": [], "extensions": []}) == {
        "recording:main": None,
        "extension:main/10": None,
    }


def test_more_policies_than_one_record_holds_are_a_fault() -> None:
    policies = [{"id": f"policy-{number}", "domain": "main", "clients": ["shop"] * 1000} for number in range(10)]

    faults = faults_of(TenantConfiguration.model_validate(BASE | {"recording": policies}), before=None)

    assert [fault.path for fault in faults] == ["/recording"]


def test_a_fault_of_form_does_not_hide_a_menu_that_leads_nowhere() -> None:
    menu = {"id": "first", "prompt": "gone", "items": [{"key": "1", "menu": "second"}]}
    flow = {"id": "shop", "domain": "main", "menu": "first", "menus": [menu], "key_seconds": 0}

    paths = {fault.path for fault in faults_beside(BASE | {"flows": [flow]}, ["/flows/0/key_seconds"])}

    assert paths == {"/flows/0/menus/0/prompt", "/flows/0/menus/0/items/0/menu"}
