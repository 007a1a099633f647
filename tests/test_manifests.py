"""deploy/k8s: every document is valid, and every workload is as a platform team wants to find it.

The files themselves are checked everywhere. Where kubectl is found, so is what it renders of them. Of custom resources
(`CUSTOM`) the validator holds no schema: they are applied to a real cluster by hand.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import kubernetes_validate.utils as schemas
import pytest
import yaml
from centralino.prepare import PrepareSettings
from chat_gateway.settings import ChatSettings
from crm.settings import CrmSettings
from email_gateway.settings import EmailSettings
from pydantic_settings import BaseSettings
from router.settings import ApiSettings, EngineSettings
from servicekit.migrate import CONNECT_TIMEOUT_SECONDS
from servicekit.settings import PREFIX, ServiceSettings
from servicekit.telemetry import OTLP_VARIABLES
from voice_gateway.settings import VoiceSettings

K8S = Path(__file__).parents[1] / "deploy/k8s"
OLDEST_SUPPORTED = "1.32"
CUSTOM = {"HTTPRoute", "ServiceMonitor"}
SETTINGS: Mapping[str, type[BaseSettings]] = {
    "router-engine": EngineSettings,
    "router-api": ApiSettings,
    "chat-gateway": ChatSettings,
    "email-gateway": EmailSettings,
    "voice-gateway": VoiceSettings,
    "crm": CrmSettings,
    "prepare": PrepareSettings,
}
BACKENDS = {"kafka": 9092, "valkey": 6379, "postgresql": 5432, "opentelemetry-collector": 4318}
"""By `app.kubernetes.io/name`, with the port of each."""
HARD_SPREAD = {"router-engine"}
"""Two on one node would be lost together, and nobody would decide; the others serve as well from one node."""
CLOSING_SECONDS = 10
"""What a service may need beside its drain to close its clients."""
RENDER_SECONDS_MAX = 50

Document = dict[str, Any]  # Any: YAML


def documents(path: Path) -> list[Document]:
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


MANIFESTS = sorted(path for path in K8S.rglob("*.yaml") if path.name != "kustomization.yaml")
ALL = [document for path in MANIFESTS for document in documents(path)]
WORKLOADS = [document for document in ALL if "template" in document.get("spec", {})]
DEPLOYMENTS = [document for document in WORKLOADS if document["kind"] == "Deployment"]
OURS = [document for document in WORKLOADS if document["metadata"]["name"] in SETTINGS]
COMMON = dict(
    line.split("=", 1)
    for line in (K8S / "base/centralino.env").read_text().splitlines()
    if line and not line.startswith("#")
)


def name_of(document: Document) -> str:
    return f"{document['kind']}/{document['metadata']['name']}"


def every(kind: str) -> list[Document]:
    return [document for document in ALL if document["kind"] == kind]


def named(workloads: list[Document]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("workload", workloads, ids=name_of)


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: str(path.relative_to(K8S)))
def test_a_manifest_is_valid(path: Path) -> None:
    for document in documents(path):
        validate(document)


def test_a_misspelt_field_is_found() -> None:
    wrong = deepcopy(DEPLOYMENTS[0])
    wrong["spec"]["template"]["spec"]["terminationGracePeriod"] = 5

    with pytest.raises(schemas.ValidationError):
        validate(wrong)


@named(WORKLOADS)
def test_a_pod_is_restricted_bounded_and_probed(workload: Document) -> None:
    assert list(pod_faults(workload)) == []


@pytest.mark.parametrize(
    ("path", "value", "fault"),
    [
        (["template", "spec", "automountServiceAccountToken"], True, "service account"),
        (["template", "spec", "securityContext", "runAsUser"], 0, "runs as root"),
        (["template", "spec", "securityContext", "seccompProfile"], None, "seccompProfile"),
        (["template", "spec", "containers", 0, "securityContext", "readOnlyRootFilesystem"], False, "its file system"),
        (["template", "spec", "containers", 0, "securityContext", "capabilities"], {}, "capabilities"),
        (["template", "spec", "containers", 0, "resources", "limits"], {}, "memory"),
        (["template", "spec", "containers", 0, "livenessProbe"], None, "livenessProbe"),
        (["template", "spec", "terminationGracePeriodSeconds"], 50, "killed within its drain"),
    ],
)
def test_a_pod_that_is_not_is_found(path: list[str | int], value: object, fault: str) -> None:
    wrong = deepcopy(DEPLOYMENTS[0])
    place = wrong["spec"]
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value

    assert [each for each in pod_faults(wrong) if fault in each]


@named(DEPLOYMENTS)
def test_a_deployment_survives_the_loss_of_a_node_and_may_be_drained(workload: Document) -> None:
    labels = workload["spec"]["template"]["metadata"]["labels"]
    budgets = [each for each in every("PodDisruptionBudget") if selects(each["spec"]["selector"], labels)]
    scalers = [
        each
        for each in every("HorizontalPodAutoscaler")
        if each["spec"]["scaleTargetRef"]["name"] == labels_name(labels)
    ]
    replicas = scalers[0]["spec"]["minReplicas"] if scalers else workload["spec"]["replicas"]
    spread = workload["spec"]["template"]["spec"]["topologySpreadConstraints"]

    assert [each["spec"]["maxUnavailable"] for each in budgets] == [1]
    assert replicas >= 2
    assert not (scalers and "replicas" in workload["spec"]), "two would set the number of replicas"
    assert {each["topologyKey"] for each in spread} >= {"kubernetes.io/hostname"}
    assert all(selects(each["labelSelector"], labels) for each in spread)
    assert hard_spread(workload) == (["kubernetes.io/hostname"] if labels_name(labels) in HARD_SPREAD else [])
    assert workload["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_every_service_is_deployed() -> None:
    deployed = [deployment["metadata"]["name"] for deployment in DEPLOYMENTS]
    for folder in (path.parents[2] for path in (K8S.parents[1] / "services").glob("*/src/*/app.py")):
        assert any(f"{name}-".startswith(f"{folder.name}-") for name in deployed), folder.name


def test_an_upgrade_applies_everything_but_the_services_first() -> None:
    left_out = re.findall(r"name notin \(([\w, -]+)\)", (K8S / "README.md").read_text())
    labels = {each["metadata"]["labels"]["app.kubernetes.io/name"] for each in DEPLOYMENTS}

    assert [set(names.split(", ")) for names in left_out] == [labels]


@named(DEPLOYMENTS)
def test_a_service_may_wait_for_its_schema_before_its_start_has_failed(workload: Document) -> None:
    probe = containers(workload)[0]["startupProbe"]
    waits_seconds = ServiceSettings.model_fields["schema_wait_seconds"].default + CONNECT_TIMEOUT_SECONDS

    assert probe["periodSeconds"] * probe["failureThreshold"] > waits_seconds


def test_nothing_flows_but_what_a_policy_names() -> None:
    policies = every("NetworkPolicy")
    deny = [policy["spec"] for policy in policies if policy["metadata"]["name"] == "default-deny"]

    assert deny == [{"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}]
    for policy in policies:
        for direction in ("ingress", "egress"):
            for rule in policy["spec"].get(direction, []):
                assert rule.get("ports"), f"{name_of(policy)} names no ports"
                assert rule.get("from") or rule.get("to"), f"{name_of(policy)} names nobody"


@named(WORKLOADS)
def test_a_pod_is_reached_on_its_ports_by_a_policy_only(workload: Document) -> None:
    labels = workload["spec"]["template"]["metadata"]["labels"]
    ports = {port["name"] for each in containers(workload) for port in each.get("ports", [])}
    selecting = [each["spec"] for each in every("NetworkPolicy") if selects(each["spec"]["podSelector"], labels)]
    allowed = {port["port"] for spec in selecting for rule in spec.get("ingress", []) for port in rule["ports"]}

    assert ports <= allowed
    assert any("Egress" in spec["policyTypes"] and not spec["podSelector"] for spec in selecting)


@named(OURS)
def test_a_pod_is_let_out_to_the_backends_of_its_settings_and_to_no_other(workload: Document) -> None:
    assert let_out_to(workload, every("NetworkPolicy")) == backends_of(workload)


@named(OURS)
def test_the_backends_of_the_local_overlay_let_their_clients_in_and_nobody_else(workload: Document) -> None:
    let_in = {name for name in BACKENDS if lets_in(name, workload, every("NetworkPolicy"))}

    assert let_in == backends_of(workload) - {"opentelemetry-collector"}, "the overlay brings no collector"


@pytest.mark.parametrize(
    ("policy", "names", "workload", "lost", "gained"),
    [
        ("to-redis", ["router-engine", "router-api"], "chat-gateway", {"valkey"}, set()),
        ("to-redis", ["router-engine", "router-api", "chat-gateway", "crm"], "crm", set(), {"valkey"}),
        ("to-postgresql", ["router-api", "chat-gateway", "crm"], "prepare", {"postgresql"}, set()),
        ("to-postgresql", ["router-engine", "prepare"], "router-engine", set(), {"postgresql"}),
    ],
)
def test_a_policy_with_one_name_too_few_or_too_many_is_found(
    policy: str, names: list[str], workload: str, lost: set[str], gained: set[str]
) -> None:
    policies = deepcopy(every("NetworkPolicy"))
    wrong = next(each for each in policies if each["metadata"]["name"] == policy)
    wrong["spec"]["podSelector"]["matchExpressions"][0]["values"] = names
    concerned = next(each for each in OURS if each["metadata"]["name"] == workload)

    found = let_out_to(concerned, policies)

    assert backends_of(concerned) - found == lost
    assert found - backends_of(concerned) == gained


@named(OURS)
def test_a_service_is_given_settings_that_it_knows_and_all_that_it_needs(workload: Document) -> None:
    settings = SETTINGS[workload["metadata"]["name"]]
    own = {each["name"] for each in containers(workload)[0].get("env", [])}
    required = {variable(name) for name, each in settings.model_fields.items() if each.is_required()}

    assert own <= variables(settings)
    assert required <= own | COMMON.keys()


def test_the_common_settings_are_known() -> None:
    assert COMMON.keys() <= {name for settings in SETTINGS.values() for name in variables(settings)}


def test_no_secret_is_written_down() -> None:
    generated = [path for path in K8S.rglob("kustomization.yaml") if "secretGenerator" in path.read_text()]

    assert every("Secret") == []
    assert generated == []


@pytest.mark.parametrize("name", ["base", "overlays/local", "components"])
def test_what_is_rendered_is_valid_as_well(name: str, tmp_path: Path) -> None:
    rendered = render(with_all_components(tmp_path) if name == "components" else K8S / name)
    workloads = [document for document in rendered if "template" in document.get("spec", {})]
    maps = {document["metadata"]["name"] for document in rendered if document["kind"] == "ConfigMap"}

    for document in rendered:
        validate(document)
    assert [fault for workload in workloads for fault in pod_faults(workload)] == []
    for workload in workloads:
        for container in containers(workload):
            assert re.search(r":[\w.-]+$", container["image"]), f"{container['image']} has no tag"
            assert {each["configMapRef"]["name"] for each in container.get("envFrom", [])} <= maps
    assert (name != "components") or {document["kind"] for document in rendered} >= CUSTOM | {"Ingress"}


def validate(document: Document) -> None:
    if document["kind"] not in CUSTOM:
        schemas.validate(document, OLDEST_SUPPORTED, strict=True)


def pod_faults(workload: Document) -> Iterator[str]:
    name, pod = name_of(workload), workload["spec"]["template"]["spec"]
    context = pod.get("securityContext", {})
    if pod.get("automountServiceAccountToken") is not False:
        yield f"{name} gets a service account's token"
    if not context.get("runAsNonRoot") or not context.get("runAsUser") or not context.get("runAsGroup"):
        yield f"{name} runs as root, or as nobody knows whom"
    if (context.get("seccompProfile") or {}).get("type") != "RuntimeDefault":
        yield f"{name} has no seccompProfile"
    for container in [*pod.get("initContainers", []), *pod["containers"]]:
        yield from (f"{name} {fault}" for fault in container_faults(container))
    if workload["kind"] != "Job":
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            if not all(container.get(probe) for container in pod["containers"]):
                yield f"{name} has no {probe}"
    if workload["kind"] == "Deployment":
        drain_seconds = float(COMMON["CENTRALINO_NOTICE_SECONDS"]) + 3 * float(COMMON["CENTRALINO_DRAIN_SECONDS"])
        if pod.get("terminationGracePeriodSeconds", 30) < drain_seconds + CLOSING_SECONDS:
            yield f"{name} may be killed within its drain of {drain_seconds} s"


def container_faults(container: Document) -> Iterator[str]:
    context, resources = container.get("securityContext", {}), container.get("resources", {})
    if context.get("allowPrivilegeEscalation") is not False:
        yield "may gain privileges"
    if context.get("readOnlyRootFilesystem") is not True:
        yield "may change its file system"
    if context.get("capabilities") != {"drop": ["ALL"]}:
        yield "keeps capabilities"
    requests, limits = resources.get("requests", {}), resources.get("limits", {})
    if not requests.get("memory") or requests["memory"] != limits.get("memory") or not requests.get("cpu"):
        yield "asks for no CPU, or its memory is not bounded by what it asks for"


def containers(workload: Document) -> list[Document]:
    found: list[Document] = workload["spec"]["template"]["spec"]["containers"]
    return found


def hard_spread(workload: Document) -> list[str]:
    spread = workload["spec"]["template"]["spec"]["topologySpreadConstraints"]
    return [each["topologyKey"] for each in spread if each["whenUnsatisfiable"] == "DoNotSchedule"]


def backends_of(workload: Document) -> set[str]:
    """Those that its settings name; a collector may be named to whoever gets the common settings."""
    container = containers(workload)[0]
    told = {each["name"] for each in container.get("env", [])}
    common = {"configMapRef": {"name": "centralino"}} in container.get("envFrom", [])
    told |= COMMON.keys() | set(OTLP_VARIABLES) if common else set()
    endings = {
        "kafka": ("_KAFKA_BOOTSTRAP",),
        "valkey": ("_REDIS_URL",),
        "postgresql": ("_DATABASE_URL", "_DATABASE_ADMIN_URL"),
        "opentelemetry-collector": OTLP_VARIABLES,
    }
    return {backend for backend, ends in endings.items() if any(name.endswith(ends) for name in told)}


def let_out_to(workload: Document, policies: list[Document]) -> set[str]:
    """The backends that a policy lets the pods of the workload out to, on the port of each, in any namespace."""
    labels = workload["spec"]["template"]["metadata"]["labels"]
    rules = [
        rule
        for policy in policies
        if selects(policy["spec"]["podSelector"], labels)
        for rule in policy["spec"].get("egress", [])
    ]
    return {
        name
        for name, port in BACKENDS.items()
        for rule in rules
        if any(each["port"] == port for each in rule["ports"])
        and any(
            peer.get("namespaceSelector") == {} and selects(peer["podSelector"], {"app.kubernetes.io/name": name})
            for peer in rule["to"]
            if "podSelector" in peer
        )
    }


def lets_in(backend: str, workload: Document, policies: list[Document]) -> bool:
    """Whether a policy of the backend lets the pods of the workload in, by the backend's named port."""
    labels = workload["spec"]["template"]["metadata"]["labels"]
    return any(
        any(each["port"] == backend for each in rule["ports"])
        and any("podSelector" in peer and selects(peer["podSelector"], labels) for peer in rule["from"])
        for policy in policies
        if policy["spec"]["podSelector"] == {"matchLabels": {"app.kubernetes.io/name": backend}}
        for rule in policy["spec"].get("ingress", [])
    )


def selects(selector: Document, labels: Mapping[str, str]) -> bool:
    wanted = selector.get("matchLabels", {}).items()
    return all(labels.get(key) == value for key, value in wanted) and all(
        labels.get(each["key"]) in each["values"] for each in selector.get("matchExpressions", [])
    )


def labels_name(labels: Mapping[str, str]) -> str:
    return labels["app.kubernetes.io/name"]


def variable(field: str) -> str:
    return f"{PREFIX}{field.upper()}"


def variables(settings: type[BaseSettings]) -> set[str]:
    return {variable(name) for name in settings.model_fields}


def render(folder: Path) -> list[Document]:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("no kubectl here: only the files themselves are checked")
    command = [kubectl, "kustomize", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=RENDER_SECONDS_MAX, check=False)
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def with_all_components(folder: Path) -> Path:
    def paths(found: Iterable[Path]) -> list[str]:
        return [os.path.relpath(path, folder) for path in found]

    components = sorted(path for path in (K8S / "components").iterdir() if path.is_dir())
    text = yaml.safe_dump({"resources": paths([K8S / "base"]), "components": paths(components)})
    (folder / "kustomization.yaml").write_text(text)
    return folder
