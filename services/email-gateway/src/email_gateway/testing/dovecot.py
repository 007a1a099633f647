"""A real mailbox for tests: Debian's dovecot (packages dovecot-imapd and dovecot-lmtpd) as a process of its own, its
files in one folder. It takes mail by LMTP, which is SMTP but for the greeting, and is read where it keeps it."""

import asyncio
import getpass
import grp
import os
import pwd
import shutil
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

PROGRAM: Final = shutil.which("dovecot", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
READY_SECONDS: Final = 20
PASSWORD: Final = "open"  # noqa: S105 - of mailboxes that live as long as a test
_CONFIGURATION: Final = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
protocols = imap lmtp
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
mail_location = maildir:{folder}/mail/%Lu
mail_uid = {user}
mail_gid = {group}
first_valid_uid = 1
first_valid_gid = 1
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {login_user}
auth_mechanisms = plain login
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={folder}/home/%Lu allow_all_users=yes
}}
service anvil {{
  chroot =
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp}
  }}
}}
protocol lmtp {{
  auth_username_format = %Lu
}}
service stats {{
  chroot =
}}
"""


@dataclass(frozen=True, slots=True)
class Dovecot:
    """Where it listens; anybody logs in with `password`, each address has a mailbox."""

    imap: int
    lmtp: int
    password: str
    folder: Path


@asynccontextmanager
async def dovecot() -> AsyncGenerator[Dovecot]:
    """Runs until the end. Needs PROGRAM; raises RuntimeError with its log if it does not start."""
    with TemporaryDirectory(prefix="dovecot") as folder:
        async with _running(Path(folder)) as found:
            yield found


@asynccontextmanager
async def _running(folder: Path) -> AsyncGenerator[Dovecot]:
    assert PROGRAM is not None
    imap, lmtp = _free_ports()
    # As root it serves nobody's mail and speaks to no stranger: others, whom its package made, do it then.
    is_root = os.getuid() == 0
    user, login_user = ("dovecot", "dovenull") if is_root else (getpass.getuser(), getpass.getuser())
    group = grp.getgrgid(pwd.getpwnam(user).pw_gid).gr_name
    _prepare(folder, user if is_root else None, group)
    text = _CONFIGURATION.format(
        folder=folder, user=user, group=group, login_user=login_user, password=PASSWORD, imap=imap, lmtp=lmtp
    )
    (folder / "dovecot.conf").write_text(text)
    process = await asyncio.create_subprocess_exec(
        PROGRAM,
        "-F",
        "-c",
        str(folder / "dovecot.conf"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        try:
            async with asyncio.timeout(READY_SECONDS):
                for port in (imap, lmtp):
                    await _greeting(port, process)
        except (TimeoutError, OSError) as error:
            log = folder / "dovecot.log"
            raise RuntimeError(log.read_text() if log.exists() else "dovecot did not start") from error
        yield Dovecot(imap, lmtp, PASSWORD, folder)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def _prepare(folder: Path, owner: str | None, group: str) -> None:
    folder.chmod(0o755)
    for name in ("mail", "home"):
        (folder / name).mkdir()
        if owner is not None:
            shutil.chown(folder / name, owner, group)


async def _greeting(port: int, process: asyncio.subprocess.Process) -> None:
    while True:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            if process.returncode is not None:
                raise
            await asyncio.wait([asyncio.ensure_future(process.wait())], timeout=0.1)
            continue
        await reader.readline()
        writer.close()
        return


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]
