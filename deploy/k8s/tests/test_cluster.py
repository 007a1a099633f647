"""The local overlay on the cluster that KUBECONFIG names: contacts come while every pod restarts and a node is drained.

Not part of `make test`: it needs a cluster with network policies, the metrics API and two nodes that hold the images,
and takes about five minutes. It deletes the namespace `centralino` first. CENTRALINO_K8S_OVERLAY names another overlay;
with CENTRALINO_K8S_KEEP=yes what runs there already is tested, which no story may have been told yet.
"""

import json
import os
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pytest

K8S = Path(__file__).parents[1]
ROOT = K8S.parents[1]
OVERLAY = K8S / os.environ.get("CENTRALINO_K8S_OVERLAY", "overlays/local")
REPORT = ROOT / "build/k8s/cluster.json"
NAMESPACE = "centralino"
DEPLOYMENTS = ("router-engine", "router-api", "chat-gateway", "crm")
BACKENDS = ("kafka", "valkey", "postgresql")
PLACES = ("kafka:9092", "valkey:6379", "postgresql:5432", "router-api:80")
COMMAND_SECONDS_MAX = 180
READY_SECONDS_MAX = 600
STORY_SECONDS_MAX = 1800
SAMPLE_SECONDS = 10
REFUSALS = {"404 address_unknown", "404 assignment_gone", "409 assignment_over", "409 offer_gone"}
"""What people may be told: the tenant is just being configured; a customer, or a clock, was faster than the agent."""

Json = dict[str, Any]  # Any: a document


def kubectl(*arguments: str, timeout_seconds: float = COMMAND_SECONDS_MAX, given: str | None = None) -> str:
    """What it prints; a failure shows what it says."""
    command = ["kubectl", *arguments]
    done = subprocess.run(
        command, input=given, capture_output=True, text=True, timeout=timeout_seconds + 10, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def in_namespace(*arguments: str, timeout_seconds: float = COMMAND_SECONDS_MAX) -> str:
    return kubectl("--namespace", NAMESPACE, *arguments, timeout_seconds=timeout_seconds)


def pods() -> list[Json]:
    found: list[Json] = json.loads(in_namespace("get", "pods", "-o", "json"))["items"]
    return found


@dataclass
class Usage:
    """Samples of the metrics API, by container: memory in MiB, CPU in thousandths of a core."""

    memory: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    cpu: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def sample(self) -> None:
        path = f"/apis/metrics.k8s.io/v1beta1/namespaces/{NAMESPACE}/pods"
        for pod in json.loads(kubectl("get", "--raw", path))["items"]:
            for container in pod["containers"]:
                self.memory[container["name"]].append(mebibytes(container["usage"]["memory"]))
                self.cpu[container["name"]].append(millicores(container["usage"]["cpu"]))

    def table(self) -> dict[str, Json]:
        return {
            name: {
                "memory_mib_max": round(max(self.memory[name])),
                "cpu_millicores_mean": round(sum(self.cpu[name]) / len(self.cpu[name])),
                "cpu_millicores_max": round(max(self.cpu[name])),
                "samples": len(self.cpu[name]),
            }
            for name in sorted(self.memory)
        }


def mebibytes(quantity: str) -> float:
    units = {"Ki": 1 / 1024, "Mi": 1, "Gi": 1024}
    return float(quantity[:-2]) * units[quantity[-2:]] if quantity[-2:] in units else float(quantity) / 2**20


def millicores(quantity: str) -> float:
    units = {"n": 1e-6, "u": 1e-3, "m": 1}
    return float(quantity[:-1]) * units[quantity[-1]] if quantity[-1] in units else float(quantity) * 1000


@contextmanager
def sampled() -> Iterator[Usage]:
    """Usage of every pod, sampled inside."""
    usage, over = Usage(), threading.Event()

    def sample() -> None:
        while not over.wait(SAMPLE_SECONDS):
            usage.sample()

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield usage
    finally:
        over.set()
        thread.join()


class Proof:
    """The running story."""

    def __init__(self, lines: IO[str]) -> None:
        self._told: list[Json] = []
        self._over = False
        self._news = threading.Condition()
        threading.Thread(target=self._read, args=[lines], daemon=True).start()

    def event(self, name: str, *, after: int = 0) -> Json:
        """The first of this name, passing over so many others; waits for it."""
        with self._news:
            self._news.wait_for(lambda: self._over or self._named(name, after), timeout=STORY_SECONDS_MAX)
            found = self._named(name, after)
        assert found, f"the story ended before {name}: {in_namespace('logs', 'job/proof', '--tail=50')}"
        return found[0]

    def failed(self) -> int:
        """How many calls have failed, when it next tells of its progress."""
        return int(self.event("progress", after=len(self._told))["failed"])

    def _named(self, name: str, after: int) -> list[Json]:
        return [event for event in self._told[after:] if event["event"] == name]

    def _read(self, lines: IO[str]) -> None:
        for line in lines:
            print(line, end="", flush=True)
            with self._news:
                self._told += [json.loads(line)] if line.startswith("{") else []
                self._news.notify_all()
        with self._news:
            self._over = True
            self._news.notify_all()

    def touch(self, file: str) -> None:
        in_namespace("exec", "job/proof", "--", "touch", f"/tmp/{file}")


@contextmanager
def story() -> Iterator[Proof]:
    kubectl("apply", "-k", str(K8S / "tests/proof"))
    ready = ["--for=condition=Ready", f"--timeout={COMMAND_SECONDS_MAX}s"]
    in_namespace("wait", "pod", "-l", "app.kubernetes.io/name=proof", *ready)
    command = ["kubectl", "--namespace", NAMESPACE, "logs", "--follow", "job/proof"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as following:
        watch = threading.Timer(STORY_SECONDS_MAX, following.kill)
        watch.start()
        try:
            assert following.stdout is not None
            yield Proof(following.stdout)
        finally:
            watch.cancel()
            following.kill()


@pytest.fixture(scope="module")
def platform() -> None:
    """The overlay, ready, in a new namespace."""
    if os.environ.get("CENTRALINO_K8S_KEEP") == "yes":
        return
    kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", timeout_seconds=180)
    subprocess.run([str(K8S / "local/secrets.sh")], check=True, timeout=COMMAND_SECONDS_MAX)
    kubectl("apply", "-k", str(OVERLAY))
    minutes = f"--timeout={READY_SECONDS_MAX}s"
    try:
        for name in BACKENDS:  # first, because they show whether images can be pulled
            in_namespace("rollout", "status", f"statefulset/{name}", minutes, timeout_seconds=READY_SECONDS_MAX)
        in_namespace("wait", "--for=condition=complete", "job/prepare", minutes, timeout_seconds=READY_SECONDS_MAX)
        for name in DEPLOYMENTS:
            in_namespace("rollout", "status", f"deployment/{name}", minutes, timeout_seconds=READY_SECONDS_MAX)
    except AssertionError as error:
        error.add_note(in_namespace("get", "pods", "--output", "wide"))
        raise


@pytest.mark.timeout(STORY_SECONDS_MAX + READY_SECONDS_MAX)
@pytest.mark.usefixtures("platform")
def test_nothing_is_lost_while_pods_restart_and_a_node_is_drained() -> None:
    began = time.monotonic()
    report: Json = {"steps": []}

    def step(name: str) -> None:
        report["steps"].append({"after_seconds": round(time.monotonic() - began), "step": name})
        print(f"+{time.monotonic() - began:4.0f} s  {name}", flush=True)

    with story() as proof, sampled() as usage:
        proof.event("at_work")
        step("at work")
        before = proof.failed()
        for name in DEPLOYMENTS:
            restart(f"deployment/{name}")
            step(f"restarted {name}")
        with drained_node() as node:
            step(f"drained {node}")
        report["failed_while_ours_restarted"] = proof.failed() - before
        step("all back")
        for name in BACKENDS:
            restart(f"statefulset/{name}")
            step(f"restarted {name}")
            proof.failed()
        proof.touch("enough")
        told = proof.event("told")
    report |= {"told": told, "usage": usage.table()}
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(json.dumps(report, indent=1))
    print(json.dumps(report["usage"], indent=1))

    assert told["faults"] == []
    assert told["left"] == []
    assert report["failed_while_ours_restarted"] == 0
    # With a backend away a client may be told 503 or nothing, and sends again; any other error would be ours.
    assert [call for call in told["failed"] if call["why"].isdigit() and call["why"] != "503"] == []
    assert [call for call in told["refused"] if call["why"] not in REFUSALS] == []
    assert told["chats"] > 100
    assert told["accepted"] >= told["chats"]


@pytest.mark.timeout(READY_SECONDS_MAX)
@pytest.mark.usefixtures("platform")
def test_every_pod_runs_restricted_and_policies_keep_strangers_out() -> None:
    labels = json.loads(kubectl("get", "namespace", NAMESPACE, "-o", "json"))["metadata"]["labels"]
    limit = f"--timeout={COMMAND_SECONDS_MAX}s"
    for name in DEPLOYMENTS:
        in_namespace("rollout", "status", f"deployment/{name}", limit)
    staying = [pod for pod in pods() if "deletionTimestamp" not in pod["metadata"]]
    names = [pod["metadata"]["labels"]["app.kubernetes.io/name"] for pod in staying]
    lasting = [pod for pod, name in zip(staying, names, strict=True) if name in {*DEPLOYMENTS, *BACKENDS}]

    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    assert {*DEPLOYMENTS, *BACKENDS} <= {*names}
    assert all(status["ready"] for pod in lasting for status in pod["status"]["containerStatuses"])
    assert reached({"app.kubernetes.io/name": "stranger"}) == set()
    assert reached({"app.kubernetes.io/name": "proof"}) == {"kafka:9092", "postgresql:5432", "router-api:80"}


def reached(labels: Mapping[str, str]) -> set[str]:
    """Which of PLACES a pod with these labels can open a connection to."""
    images = json.loads(in_namespace("get", "statefulset/valkey", "-o", "json"))["spec"]["template"]["spec"]
    tries = "; ".join(
        f"timeout 3 bash -c '</dev/tcp/{place.replace(':', '/')}' 2>/dev/null && echo {place}" for place in PLACES
    )
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "visitor", "labels": dict(labels)},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "securityContext": images["securityContext"],
            "containers": [
                {
                    "name": "visitor",
                    "image": images["containers"][0]["image"],
                    # Policies may reach a new pod later than its first packet leaves.
                    "command": ["bash", "-c", f"sleep 10; {tries}; true"],
                    "securityContext": images["containers"][0]["securityContext"],
                }
            ],
        },
    }
    kubectl("--namespace", NAMESPACE, "apply", "-f", "-", given=json.dumps(pod))
    try:
        in_namespace(
            "wait", "pod/visitor", "--for=jsonpath={.status.phase}=Succeeded", f"--timeout={COMMAND_SECONDS_MAX}s"
        )
        return set(in_namespace("logs", "visitor").split())
    finally:
        in_namespace("delete", "pod", "visitor", "--now")


def restart(workload: str) -> None:
    limit = f"--timeout={READY_SECONDS_MAX}s"
    in_namespace("rollout", "restart", workload)
    in_namespace("rollout", "status", workload, limit, timeout_seconds=READY_SECONDS_MAX)


@contextmanager
def drained_node() -> Iterator[str]:
    """One without the backends' volumes; outside it may be used again, and all deployments are complete."""
    away = {pod["spec"]["nodeName"] for pod in pods() if pod["metadata"]["name"] == "kafka-0"}
    nodes = {node["metadata"]["name"] for node in json.loads(kubectl("get", "nodes", "-o", "json"))["items"]}
    node = min(nodes - away)
    moved = [pod["metadata"]["name"] for pod in pods() if pod["spec"].get("nodeName") == node]
    assert moved, f"nothing runs on {node}: draining it would show nothing"
    limit = f"--timeout={READY_SECONDS_MAX}s"
    try:
        # Ours alone: a small cluster may have one pod for DNS, and to move that leaves everybody without names.
        ours = ["--pod-selector=app.kubernetes.io/part-of=centralino", "--delete-emptydir-data", "--ignore-daemonsets"]
        kubectl("drain", node, *ours, limit, timeout_seconds=READY_SECONDS_MAX)
        for name in DEPLOYMENTS:
            in_namespace("rollout", "status", f"deployment/{name}", limit, timeout_seconds=READY_SECONDS_MAX)
        yield node
    finally:
        kubectl("uncordon", node)
