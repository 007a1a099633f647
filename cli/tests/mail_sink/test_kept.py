import os
from pathlib import Path

from centralino.mail_sink.kept import MailFiles

MAIL = b"Subject: x\r\n\r\nhello\r\n"


def numbers(kept: MailFiles) -> list[int]:
    return [each.number for each in kept.newest()]


def test_a_message_is_kept_below_what_its_envelope_said(tmp_path: Path) -> None:
    kept = MailFiles(tmp_path / "mail")
    number = kept.keep("a@x.example", ["b@x.example", "bücher@x.example"], MAIL)
    head = "Return-Path: <a@x.example>\r\nDelivered-To: b@x.example\r\nDelivered-To: bücher@x.example\r\n"

    assert kept.content(number) == head.encode() + MAIL
    assert (tmp_path / "mail" / f"{number}.eml").stat().st_mode & 0o077 == 0


def test_the_oldest_make_room(tmp_path: Path) -> None:
    kept = MailFiles(tmp_path, messages_max=3)
    for _ in range(5):
        kept.keep("", ["b@x.example"], MAIL)

    assert numbers(kept) == [5, 4, 3]
    assert sorted(os.listdir(tmp_path)) == ["3.eml", "4.eml", "5.eml"]


def test_large_ones_make_room_too_but_the_last_stays(tmp_path: Path) -> None:
    kept = MailFiles(tmp_path, bytes_max=400)
    for size in (10, 200, 10, 1000):
        kept.keep("", ["b@x.example"], b"x" * size)
    left = numbers(kept)
    kept.keep("", ["b@x.example"], MAIL)

    assert left == [4]
    assert numbers(kept) == [5]


def test_numbers_go_on_after_a_restart_and_what_was_half_written_is_nothing(tmp_path: Path) -> None:
    first = MailFiles(tmp_path)
    for _ in range(12):
        first.keep("", ["b@x.example"], MAIL)
    (tmp_path / "13.partial").write_bytes(b"Subj")
    again = MailFiles(tmp_path, messages_max=10)

    assert numbers(again) == list(range(12, 2, -1))
    assert [each.number for each in again.newest(after=9, count=2)] == [12, 11]
    assert again.keep("", ["b@x.example"], MAIL) == 13


def test_an_emptied_folder_gives_no_number_twice(tmp_path: Path) -> None:
    kept = MailFiles(tmp_path)
    kept.keep("", ["b@x.example"], MAIL)
    kept.empty()

    assert numbers(kept) == []
    assert kept.one(1) is None
    assert kept.keep("", ["b@x.example"], MAIL) == 2
