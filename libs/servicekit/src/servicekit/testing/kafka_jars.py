"""One real Apache Kafka node (KRaft) for tests, from the jars that Maven serves: needs `java` 17 and `mvn`.

The jars (43 MB) are fetched once into the user's cache; a start takes about four seconds and 205 MB.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from servicekit.kafka_security import KafkaSecurity

KAFKA_VERSION = "4.2.0"
CLUSTER_ID = "Q2VudHJhbGlub1Rlc3RzMA"  # a base64 UUID, as the format tool wants it
DOWNLOAD_TIMEOUT_SECONDS = 300
START_TIMEOUT_SECONDS = 120
STOP_TIMEOUT_SECONDS = 10

POM = f"""<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>centralino</groupId><artifactId>kafka-jars</artifactId><version>1</version>
  <dependencies><dependency>
    <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{KAFKA_VERSION}</version>
  </dependency></dependencies>
</project>
"""
# One node must not wait for replicas; short group delays keep tests quick.
PROPERTIES = """process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
controller.quorum.voters=1@127.0.0.1:{controller_port}
log.dirs={directory}/data
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
log.cleaner.dedupe.buffer.size=16777216
"""


# A second listener, over TLS and with a password; the node speaks to itself by the first one.
SECURED = """listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port},SASL_SSL://127.0.0.1:{secured_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},SASL_SSL://127.0.0.1:{secured_port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL
inter.broker.listener.name=PLAINTEXT
ssl.keystore.type=PEM
ssl.keystore.location={directory}/keystore.pem
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
"""


class KafkaNotStartedError(RuntimeError):
    """Apache Kafka did not open its port in time; its last output is in the message, all of it in `kafka.log`."""


def available() -> str | None:
    """The reason why real Kafka cannot be started here, or None if it can."""
    missing = [tool for tool in ("java", "mvn") if shutil.which(tool) is None]
    return f"real Kafka needs {' and '.join(missing)} on the PATH" if missing else None


class KafkaNode:
    """A node with its files in a folder; `start` it, `end` it by a signal, start it again on its port with its data."""

    def __init__(self, directory: Path, security: KafkaSecurity | None = None, key: Path | None = None) -> None:
        self._port, controller_port, secured_port = _free_ports()
        self.secured_url = f"127.0.0.1:{secured_port}"
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._properties = directory / "server.properties"
        properties, more = PROPERTIES, []
        self._ports_of_clients = [self._port]
        if security is not None and security.ca_file is not None and key is not None:
            properties += SECURED
            self._ports_of_clients.append(secured_port)
            (directory / "keystore.pem").write_text(key.read_text() + Path(security.ca_file).read_text())
            more = ["--add-scram", f"SCRAM-SHA-512=[name={security.username},password={security.password}]"]
        ports = {"port": self._port, "controller_port": controller_port, "secured_port": secured_port}
        self._properties.write_text(properties.format(directory=directory, **ports))
        self._java = ["java", "-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        self._java += ["-cp", f"{jars()}/*"]
        if not (directory / "data").exists():
            arguments = ["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(self._properties), *more]
            subprocess.run([*self._java, *arguments], check=True, capture_output=True, timeout=START_TIMEOUT_SECONDS)
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Bootstrap address "127.0.0.1:port"."""
        return f"127.0.0.1:{self._port}"

    def start(self) -> None:
        """Returns when its clients' ports are open. Raises KafkaNotStartedError."""
        output = self._directory / "kafka.log"
        with output.open("ab") as log:
            self.process = subprocess.Popen([*self._java, "kafka.Kafka", str(self._properties)], stdout=log, stderr=log)
        for port in self._ports_of_clients:
            _wait_until_open(self.process, port, output)

    def send_signal(self, number: signal.Signals) -> None:
        """While it runs."""
        if self.process is not None:
            self.process.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Signal it and wait for its end; one that takes too long is killed."""
        if self.process is None:
            return
        self.process.send_signal(number)
        try:
            self.process.wait(STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextmanager
def kafka_node(directory: Path) -> Iterator[KafkaNode]:
    """A node that runs, with its files under `directory`. Raises KafkaNotStartedError."""
    node = KafkaNode(directory)
    try:
        node.start()
        yield node
    finally:
        node.end()


@contextmanager
def kafka_secured(directory: Path, security: KafkaSecurity, key: Path) -> Iterator[str]:
    """Host and port of a node that takes SASL_SSL with this name and password; the CA file is its own certificate."""
    node = KafkaNode(directory, security, key)
    try:
        node.start()
        yield node.secured_url
    finally:
        node.end()


@contextmanager
def kafka_from_jars(directory: Path) -> Iterator[str]:
    """The same; yields "127.0.0.1:port"."""
    with kafka_node(directory) as node:
        yield node.url


def jars() -> Path:
    """Fetch the jars once; the rename makes a half download invisible and a second fetcher harmless."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "centralino"
    jars = cache / f"kafka-{KAFKA_VERSION}"
    if jars.exists():
        return jars
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        pom = Path(scratch) / "pom.xml"
        pom.write_text(POM)
        command = ["mvn", "-q", "-B", "-f", str(pom), "dependency:copy-dependencies"]
        subprocess.run([*command, f"-DoutputDirectory={scratch}/jars"], check=True, timeout=DOWNLOAD_TIMEOUT_SECONDS)
        with suppress(OSError):  # somebody else was first
            (Path(scratch) / "jars").rename(jars)
    return jars


def _free_ports() -> tuple[int, int, int]:
    with closing(socket.socket()) as one, closing(socket.socket()) as other, closing(socket.socket()) as third:
        for each in (one, other, third):
            each.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1], third.getsockname()[1]


def _wait_until_open(process: "subprocess.Popen[bytes]", port: int, output: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), closing(socket.create_connection(("127.0.0.1", port), timeout=1)):
            return
        time.sleep(0.05)
    raise KafkaNotStartedError(output.read_text(errors="replace")[-2000:])
