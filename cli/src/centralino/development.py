"""What only a stack for development has: a key that signs tokens for anybody, and the two pages to try the platform."""

import json
import shutil
from collections.abc import Mapping
from importlib.resources import as_file, files
from pathlib import Path

from servicekit.testing.tokens import TokenIssuer


def make_signing_key(key_file: Path, jwks_file: Path) -> None:
    """A key pair, made once, and the JWK set that verifies its tokens."""
    if key_file.exists():
        return
    for file in (key_file, jwks_file):
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    issuer = TokenIssuer.generate()
    jwks_file.write_text(json.dumps(issuer.jwks()))
    issuer.save(key_file)


def lay_out_pages(folder: Path, origins: Mapping[str, str]) -> None:
    """The two pages as they are served, and beside them where the services are."""
    with as_file(files("centralino") / "pages") as source:
        shutil.copytree(source, folder, dirs_exist_ok=True)
    (folder / "shared" / "addresses.json").write_text(json.dumps(dict(origins)))
