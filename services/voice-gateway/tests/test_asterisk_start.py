"""What the image's first process takes from its environment; that it becomes an Asterisk the tests of the node show."""

import subprocess
from pathlib import Path

from voice_gateway.testing.asterisk_node import DEPLOY


def started(folder: Path, password: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/bin:/bin", "FOLDER": str(folder), "ARI_PASSWORD": password}
    return subprocess.run(["sh", str(DEPLOY / "start")], env=environment, capture_output=True, text=True, check=False)


def test_a_password_that_cannot_be_taken_is_refused_and_not_shown(tmp_path: Path) -> None:
    refused = started(tmp_path, "s3cret!")

    assert refused.returncode == 2
    assert "ARI_PASSWORD" in refused.stderr
    assert "s3cret" not in refused.stdout + refused.stderr
    assert not any(tmp_path.iterdir())
