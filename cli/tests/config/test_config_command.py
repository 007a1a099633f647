"""`centralino config` against the router's API: plan, apply, export, rollback, versions."""

import argparse
import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from centralino.config.command import add_config
from centralino.config.documents import read_configuration_files
from centralino.config.errors import ConfigError
from centralino.config.planning import carry_out, plan_of
from centralino.config.router_api import RouterApi
from centralino.config.terminal import Terminal
from centralino.config.texts import read_text
from contracts.configuration import TenantConfiguration
from jsonschema import Draft202012Validator
from router.api.testing import TOPIC_PARTITIONS, RunningApi, running_api
from servicekit.testing.memory_log import MemoryLog
from servicekit.testing.plugin import FreshDatabase

Json = dict[str, Any]  # Any: JSON


@pytest.fixture
async def api(redis_url: str, postgres: FreshDatabase, tmp_path: Path) -> AsyncIterator[RunningApi]:
    log = MemoryLog(TOPIC_PARTITIONS)
    async with running_api(
        log, redis_url=redis_url, admin_url=postgres.admin_url, folder=tmp_path, api_key_pepper="p" * 32
    ) as running:
        yield running


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str


Command = Callable[..., Awaitable[Said]]


@pytest.fixture
def command(api: RunningApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs `centralino config ...` with an admin's token from a file."""
    (tmp_path / "token").write_text(api.token("root", "admin") + "\n")

    async def run(*arguments: str) -> Said:
        access = ["--router", api.url, "--token-file", str(tmp_path / "token")]
        offline = arguments[0] in {"lint", "schema", "test"}
        code = await asyncio.to_thread(main, *arguments, *([] if offline else access))
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return run


def main(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    add_config(parser.add_subparsers(), lambda each: each.add_argument("--data", type=Path, default=Path("nowhere")))
    options = parser.parse_args(["config", *arguments])
    return int(options.run(options, ()))


def written(folder: Path, document: Json) -> str:
    file = folder / "tenant.yaml"
    file.write_text(json.dumps(document, indent=1))  # JSON is YAML too
    return str(file)


async def switched(api: RunningApi, version: int) -> None:
    """The engine routes by this version."""
    view = json.dumps({"domain": api.place.domain, "version": version})
    await api.redis.hset(api.place.key("domains"), api.place.domain, view)


async def test_a_document_is_planned_applied_and_exported_to_no_changes(
    api: RunningApi, command: Command, tmp_path: Path
) -> None:
    await switched(api, 9)
    file = written(tmp_path, api.configuration())

    planned = await command("plan", file, "--exit-code")
    asked = await command("apply", file)
    applied = await command("apply", file, "--yes", "--on-version", "0")
    again = await command("apply", file)
    exported = await command("export")
    (tmp_path / "exported.yaml").write_text(exported.out)
    same = await command("plan", str(tmp_path / "exported.yaml"), "--exit-code")

    assert (planned.code, planned.out.splitlines()[-1]) == (
        1,
        "7 to add, 0 to change, 0 to remove as the first version.",
    )
    assert f"+ queue {api.place.domain}/help" in planned.out.splitlines()
    assert (asked.code, asked.err) == (2, "Nobody can be asked here: say --yes to go on without asking.\n")
    assert applied.code == 0
    assert applied.out.splitlines()[-2:] == [
        "Version 1 is active.",
        f"Every domain is routed by it: {api.place.domain}.",
    ]
    assert (again.code, again.out) == (0, "No changes: version 1 says the same.\n")
    assert (same.code, same.out) == (0, "No changes: version 1 says the same.\n")


async def test_a_plan_for_programs_names_version_and_changes(api: RunningApi, command: Command, tmp_path: Path) -> None:
    await api.configure()
    document = api.configuration(agents=["ann"])
    document["agents"][0]["skills"]["billing"] = 4

    planned = await command("plan", written(tmp_path, document), "--json")

    assert planned.code == 0
    assert json.loads(planned.out) == {
        "version": 1,
        "summary": {"add": 0, "change": 1, "remove": 1},
        "changes": [
            {
                "action": "change",
                "kind": "agent",
                "name": "ann",
                "fields": [{"path": "skills.billing", "before": 3, "after": 4}],
            },
            {"action": "remove", "kind": "agent", "name": "bob", "fields": []},
        ],
        "findings": [],
    }


async def test_a_plan_tells_what_is_wrong_with_accounts_and_goes_on(
    api: RunningApi, command: Command, tmp_path: Path
) -> None:
    await api.configure()
    secrets = {use: [use.replace("_", "-")] for use in ("inbound_secret", "outbound_secret")}
    account = {"provider": "open", "account_id": "shop", "secrets": secrets, "options": {"uri": "https://a.example"}}
    document = api.configuration()
    document["channels"].append({**document["channels"][0], "address": "open:a", "channel": "open", "account": account})
    file = written(tmp_path, document)

    planned = await command("plan", file)
    told = json.loads((await command("plan", file, "--json")).out)
    applied = await command("apply", file, "--yes", "--wait", "0")

    sentence = (
        "channel open:a: account.options.uri: open has no option 'uri', so nothing reads it; there is 'url' alone."
    )
    [line] = [each for each in planned.out.splitlines() if "warning" in each]
    assert line.startswith(f"~ {file}:")
    assert line.endswith(f": warning: {sentence}")
    assert line in applied.out.splitlines()
    assert "Version 2 is active." in applied.out
    assert [(each["rule"], each["place"]) for each in told["findings"]] == [
        ("account_with_an_unknown_name", line.removeprefix("~ ").partition(": ")[0])
    ]


async def test_somebody_elses_version_in_between_is_refused(api: RunningApi, command: Command, tmp_path: Path) -> None:
    await api.configure()
    file = written(tmp_path, api.configuration(agents=["ann"]))
    router = RouterApi(api.url, api.token("root", "admin"))
    source, wanted = read_configuration_files([Path(file)])
    plan = await asyncio.to_thread(plan_of, router, wanted, source)
    await asyncio.to_thread(router.activate, read_other(api), on_version=1)

    def send() -> int:
        return router.activate(wanted, on_version=plan.version)

    terminal = Terminal(say=lambda _: None)
    with pytest.raises(ConfigError, match="Version 2 was activated meanwhile, and nothing is changed: plan again"):
        await asyncio.to_thread(carry_out, plan, router, terminal, send, yes=True, wait_seconds=0)
    late = await command("apply", file, "--yes", "--on-version", "1")

    assert (late.code, late.err) == (2, "Version 2 is active, not 1: plan again.\n")


def read_other(api: RunningApi) -> TenantConfiguration:
    return TenantConfiguration.model_validate(api.configuration(agents=["ann", "cid"]))


@pytest.mark.parametrize(("answer", "code", "versions"), [("yes", 1, 2), ("no", 1, 1), ("", 1, 1)])
async def test_on_a_terminal_only_yes_goes_on_and_a_slow_engine_is_told(
    api: RunningApi, tmp_path: Path, answer: str, code: int, versions: int
) -> None:
    await api.configure()
    await switched(api, 1)
    said: list[str] = []
    router = RouterApi(api.url, api.token("root", "admin"))
    source, wanted = read_configuration_files([Path(written(tmp_path, api.configuration(agents=["ann"])))])
    plan = await asyncio.to_thread(plan_of, router, wanted, source)
    terminal = Terminal(say=said.append, ask=lambda _: answer, coloured=True)

    def send() -> int:
        return router.activate(wanted, on_version=plan.version)

    ended = await asyncio.to_thread(carry_out, plan, router, terminal, send, yes=False, wait_seconds=0.0)

    assert ended == code
    assert said[0] == "\x1b[31m- agent bob\x1b[0m"
    assert len(await asyncio.to_thread(router.versions)) == versions
    assert said[-1].startswith(
        f"After 0 s these are not yet routed by it: {api.place.domain}." if versions == 2 else "Noth"
    )


async def test_a_rollback_shows_what_it_changes_and_makes_a_new_version(
    api: RunningApi, command: Command, tmp_path: Path
) -> None:
    await api.configure()
    await switched(api, 9)
    await command("apply", written(tmp_path, api.configuration(agents=["ann"])), "--yes")

    back = await command("rollback", "1", "--yes")
    versions = await command("versions")
    old = await command("export", "--version", "2", "--json")
    unknown = await command("rollback", "7", "--yes")

    assert back.code == 0
    assert back.out.splitlines()[:2] == ["+ agent bob", "1 to add, 0 to change, 0 to remove on top of version 2."]
    assert [line.split()[0] for line in versions.out.splitlines()] == ["3", "2", "1"]
    assert versions.out.splitlines()[0].endswith("active")
    assert [agent["id"] for agent in json.loads(old.out)["agents"]] == ["ann"]
    assert unknown.code == 2
    assert "has no version 7" in unknown.err


async def test_what_only_the_server_knows_is_told_with_file_and_line(
    api: RunningApi, command: Command, tmp_path: Path
) -> None:
    await api.configure()
    (tmp_path / "token").write_text(api.token("root", "admin", tenant_id="rival"))
    file = written(tmp_path, api.configuration())

    planned, applied = await command("plan", file), await command("apply", file, "--yes")

    line = next(
        n for n, text in enumerate((tmp_path / "tenant.yaml").read_text().splitlines(), 1) if '"address"' in text
    )
    said = f"{file}:{line}: channel web:{api.tenant_id}: address: this address is held by another tenant\n"
    assert (planned.code, planned.err) == (2, said)
    assert (applied.code, applied.err) == (2, said)


async def test_an_api_key_plans_and_exports_but_applies_nothing(
    api: RunningApi, command: Command, tmp_path: Path
) -> None:
    await api.configure()
    async with api.client(api.token("root", "admin")) as admin:
        issued = await admin.post("/api-keys", json={"integration": "ci"})
    (tmp_path / "token").write_text(issued.json()["key"])
    file = written(tmp_path, api.configuration(agents=["ann"]))

    planned, exported = await command("plan", file), await command("export")
    applied = await command("apply", file, "--yes")

    assert (planned.code, exported.code) == (0, 0)
    assert applied.code == 2
    assert "The router's API refuses this token" in applied.err


async def test_a_tenant_without_configuration_has_nothing_to_export(command: Command) -> None:
    exported, versions = await command("export"), await command("versions")

    assert (exported.code, exported.err) == (2, "This tenant has no configuration yet.\n")
    assert (versions.code, versions.out) == (0, "This tenant has no configuration yet.\n")


SAYS: Mapping[str, tuple[list[str], str]] = {
    "no stack": ([], "No stack runs on the data in nowhere: start one with `centralino up`"),
    "no token": (["--router", "http://127.0.0.1:9"], "Put an admin's token or an API key in CENTRALINO_TOKEN"),
    "no address": (["--router", "ftp://x"], "begins with http:// or https://"),
    "nobody": (["--router", "http://127.0.0.1:9"], "Nobody answers at http://127.0.0.1:9/router/v1"),
    "no token file": (["--router", "http://127.0.0.1:9", "--token-file", "gone"], "gone cannot be read"),
}


@pytest.mark.parametrize("case", SAYS)
def test_what_is_missing_is_said_in_one_sentence(
    case: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments, sentence = SAYS[case]
    monkeypatch.delenv("CENTRALINO_ROUTER_URL", raising=False)
    monkeypatch.setenv("CENTRALINO_TOKEN", "" if case == "no token" else "some-token")

    code = main("versions", *arguments)

    said = capsys.readouterr()
    assert code == 2
    assert sentence in said.err
    assert len(said.err.splitlines()) == 1


def test_lint_and_test_fail_with_1_and_name_the_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = {
        "clients": ["shop"],
        "domains": [{"id": "main"}],
        "queues": [{"id": "help", "domain": "main", "name": "Help"}],
        "channels": [{"address": "web", "channel": "webchat", "client": "shop", "domain": "main", "queue": "help"}],
    }
    cases = {"cases": [{"name": "One", "contacts": [{"id": "c", "address": "web"}], "expect": {"c": {"agent": "ann"}}}]}
    written(tmp_path, document)
    (tmp_path / "a.test.json").write_text(json.dumps(cases))

    assert main("lint", str(tmp_path)) == 1
    text = capsys.readouterr().out
    assert main("lint", str(tmp_path), "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert main("test", str(tmp_path)) == 1
    tested = capsys.readouterr().out

    assert "tenant.yaml:11: error: queue main/help: no agent can serve it: domain main has no agents; " in text
    assert text.splitlines()[-1] == "Errors: 2, warnings: 1."
    assert found[0]["place"] == f"{tmp_path}/tenant.yaml:11"
    assert found[0]["rule"] == "queue_that_nobody_serves"
    assert "  c: agent is nobody, expected ann" in tested.splitlines()
    assert tested.splitlines()[-1] == "0 of 1 cases pass."


def test_lint_knows_what_day_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fair = {"date": "2020-02-01", "name": "Fair", "hours": [["09:00", "17:00"]]}
    document = {
        "clients": ["shop"],
        "domains": [{"id": "main"}],
        "queues": [{"id": "help", "domain": "main", "name": "Help", "calendar": "fair"}],
        "calendars": [{"id": "fair", "domain": "main", "time_zone": "UTC", "weekly": {}, "exceptions": [fair]}],
    }

    assert main("lint", written(tmp_path, document), "--json") == 1
    assert "calendar_that_never_opens" in {found["rule"] for found in json.loads(capsys.readouterr().out)}


def test_the_schema_for_a_part_of_the_document_requires_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    printed = {}
    for of in ("document", "part", "cases"):
        assert main("schema", of) == 0
        printed[of] = json.loads(capsys.readouterr().out)

    sample = files("centralino") / "sample"
    document, cases = [read_text(Path(str(sample / name))).value for name in ("acme.json", "acme.test.yaml")]
    for of, instance in (("document", document), ("part", {"skills": ["es"]}), ("cases", cases)):
        Draft202012Validator(printed[of]).validate(instance)

    assert set(printed["document"].pop("required")) == {"clients", "domains"}
    assert printed["document"] == printed["part"]
    assert printed["cases"]["required"] == ["cases"]
