"""Dovecot 2.3 (Debian's packages dovecot-imapd and dovecot-lmtpd) as a process in a folder of its own: real mailboxes
for tests, which take mail by LMTP and are read by IMAP."""

import getpass
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from servicekit.testing.certificates import Certificate, make_certificate

PASSWORD: Final = 'p"ss\\wörd'  # noqa: S105 - of mailboxes that live as long as a test
START_SECONDS: Final = 20
_MAIL_ID: Final = 8
"""Debian's user and group `mail`: Dovecot opens no mailbox as root."""
_CONFIGURATION: Final = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
listen = 127.0.0.1
protocols = imap lmtp
ssl = required
ssl_cert = <{certificate}
ssl_key = <{key}
mail_location = maildir:~/Maildir
first_valid_uid = {uid}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {folder}/users
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/mail/%u
}}
namespace inbox {{
  inbox = yes
  separator = /
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
    ssl = yes
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp_port}
  }}
}}
{as_who}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dovecot:
    """A running server; whoever logs in with PASSWORD as one of `users` has a mailbox."""

    folder: Path
    port: int
    """Of STARTTLS."""
    tls_port: int
    lmtp_port: int
    certificate: Certificate

    def deliver(self, user: str, raw: bytes, folder: str = "INBOX") -> None:
        """Into the mailbox, as a mail server does."""
        command = ["doveadm", "-c", f"{self.folder}/dovecot.conf", "save", "-u", user, "-m", folder]
        subprocess.run(command, input=raw, check=True, timeout=START_SECONDS, capture_output=True)

    def doveadm(self, *words: str) -> str:
        """What its tool answers."""
        command = ["doveadm", "-c", f"{self.folder}/dovecot.conf", *words]
        done = subprocess.run(command, check=True, timeout=START_SECONDS, capture_output=True, text=True)
        return done.stdout

    def forget_uids(self, user: str, folder: str = "") -> None:
        """The folder gets another UIDVALIDITY, as after a restore: UIDs begin anew, flags stay."""
        if user in self.doveadm("who").split():
            self.doveadm("kick", user)
        for name in ("dovecot-uidlist", "dovecot.index", "dovecot.index.log", "dovecot.index.cache"):
            with suppress(FileNotFoundError):
                (self.folder / "mail" / user / "Maildir" / folder / name).unlink()


@contextmanager
def running_dovecot(*users: str) -> Iterator[Dovecot]:
    """Start one. Raises AssertionError where the package is not installed: `.ci/run` installs it."""
    assert _program("dovecot"), "these tests need Dovecot: apt-get install dovecot-imapd dovecot-lmtpd"
    # Its sockets' paths must be short.
    with tempfile.TemporaryDirectory(prefix="dovecot-") as name:
        folder = Path(name)
        made = _configure(folder, users)
        process = subprocess.Popen(
            [_program("dovecot"), "-F", "-c", str(folder / "dovecot.conf")], stderr=subprocess.PIPE
        )
        try:
            _wait(made, process)
            yield made
        finally:
            process.terminate()
            process.wait(START_SECONDS)
            if process.stderr:
                process.stderr.close()


def _program(name: str) -> str:
    """Its path; empty: it is not installed."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin") or ""


def _configure(folder: Path, users: tuple[str, ...]) -> Dovecot:
    root = os.geteuid() == 0
    uid, gid = (_MAIL_ID, _MAIL_ID) if root else (os.geteuid(), os.getegid())
    folder.chmod(0o755)
    (folder / "mail").mkdir()
    if root:
        os.chown(folder / "mail", uid, gid)
    certificate = make_certificate(folder)
    port, tls_port, lmtp_port = _free_ports(3)
    (folder / "users").write_text("".join(f"{user}:{{PLAIN}}{PASSWORD}\n" for user in users), encoding="utf-8")
    (folder / "users").chmod(0o644)
    me = getpass.getuser()
    as_who = "" if root else f"default_internal_user = {me}\ndefault_login_user = {me}\n"
    text = _CONFIGURATION.format(
        folder=folder,
        certificate=certificate.certificate,
        key=certificate.key,
        uid=uid,
        gid=gid,
        port=port,
        tls_port=tls_port,
        lmtp_port=lmtp_port,
        as_who=as_who,
    )
    (folder / "dovecot.conf").write_text(text, encoding="utf-8")
    return Dovecot(folder=folder, port=port, tls_port=tls_port, lmtp_port=lmtp_port, certificate=certificate)


def _free_ports(count: int) -> list[int]:
    """All of them different."""
    with ExitStack() as stack:
        listeners = [stack.enter_context(closing(socket.socket())) for _ in range(count)]
        for listener in listeners:
            listener.bind(("127.0.0.1", 0))
        return [int(listener.getsockname()[1]) for listener in listeners]


def _wait(made: Dovecot, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(START_SECONDS * 10):
        with suppress(OSError), ExitStack() as stack:
            for port in (made.tls_port, made.lmtp_port):
                stack.enter_context(closing(socket.create_connection(("127.0.0.1", port), timeout=1)))
            return
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.1)
            break
    log = (made.folder / "log").read_text() if (made.folder / "log").exists() else ""
    raise AssertionError(f"dovecot did not start: {log}")
