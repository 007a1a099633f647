"""deploy/k8s/local/secrets.sh against a kubectl that keeps objects as folders: cut off anywhere, it is run again."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "deploy/k8s/local/secrets.sh"
OBJECTS = 12
RUN_SECONDS_MAX = 50
KUBECTL = r"""#!/bin/sh
# apply | -n NAMESPACE get KIND NAME [-o jsonpath={.data.KEY}] | -n NAMESPACE create KIND [generic] NAME --from-...
set -eu
[ "$1" != apply ] || exit 0
verb=$3 kind=$4
shift 4
[ "$1" != generic ] || shift
folder=$FAKE_OBJECTS/$kind.$1
shift
if [ "$verb" = get ]; then
    [ -d "$folder" ] || exit 1
    [ $# -eq 0 ] || openssl base64 -A <"$folder/$(echo "$2" | sed 's/jsonpath={.data.\(.*\)}/\1/; s/\\//')"
    exit 0
fi
[ ! -d "$folder" ] || { echo AlreadyExists >&2; exit 1; }
[ "$(ls "$FAKE_OBJECTS" | wc -l)" -lt "$FAKE_OBJECTS_MAX" ] || { echo "cut off" >&2; exit 1; }
mkdir "$folder"
for given in "$@"; do
    pair=${given#--from-*=}
    case $given in
        --from-literal=*) printf %s "${pair#*=}" >"$folder/${pair%%=*}" ;;
        --from-file=*) cp "$pair" "$folder/" ;;
    esac
done
"""


@pytest.fixture
def machine(tmp_path: Path) -> Mapping[str, str]:
    """An environment in which kubectl is ours; the objects are in the folder FAKE_OBJECTS."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl here")
    (tmp_path / "bin").mkdir()
    (tmp_path / "objects").mkdir()
    kubectl = tmp_path / "bin/kubectl"
    kubectl.write_text(KUBECTL)
    kubectl.chmod(0o755)
    path = f"{tmp_path}/bin:{os.environ['PATH']}"
    return os.environ | {"PATH": path, "PYTHON": sys.executable, "FAKE_OBJECTS": str(tmp_path / "objects")}


def test_a_run_that_was_cut_off_is_finished_by_the_next(machine: Mapping[str, str]) -> None:
    cut_off = [run(machine, objects_max=count) for count in range(OBJECTS)]
    finished = run(machine)
    made = objects(machine)

    assert [code for code, _ in cut_off] == [1] * OBJECTS
    assert {errors for _, errors in cut_off} == {"cut off\n"}
    assert finished == (0, "")
    assert len({path.split("/")[0] for path in made}) == OBJECTS
    valkey = made["secret.valkey/valkey.conf"].removeprefix("requirepass ")
    assert made["secret.centralino-redis/url"] == f"redis://:{valkey}@valkey:6379/0"
    assert f":{made['secret.postgresql/password']}@" in made["secret.centralino-admin/database-url"]
    assert made["configmap.centralino-jwks/jwks.json"] == made["secret.centralino-signing-key/jwks.json"]


def test_what_exists_is_left_alone(machine: Mapping[str, str]) -> None:
    first = run(machine)
    made = objects(machine)
    second = run(machine)

    assert first == second == (0, "")
    assert objects(machine) == made


def run(machine: Mapping[str, str], *, objects_max: int = OBJECTS) -> tuple[int, str]:
    """Its exit code, and what it says on standard error."""
    given = {**machine, "FAKE_OBJECTS_MAX": str(objects_max)}
    done = subprocess.run(
        ["sh", SCRIPT], env=given, capture_output=True, text=True, timeout=RUN_SECONDS_MAX, check=False
    )
    return done.returncode, done.stderr


def objects(machine: Mapping[str, str]) -> dict[str, str]:
    folder = Path(machine["FAKE_OBJECTS"])
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}
