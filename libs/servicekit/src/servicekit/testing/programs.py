"""Programs of this machine that some tests use, and are skipped without."""

import shutil
from typing import Final

KCAT: Final = shutil.which("kcat") or shutil.which("kafkacat")  # its name until Debian 11
