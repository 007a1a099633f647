"""The command as a whole."""

import subprocess
import sys


def test_a_reader_who_has_seen_enough_is_no_error() -> None:
    program = "import sys; from centralino.app import main; sys.argv = ['centralino', 'config', 'schema']; main()"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as command:
        assert command.stdout is not None
        command.stdout.close()
        _, said = command.communicate(timeout=50)

    assert said == b""
    assert command.returncode == 1
