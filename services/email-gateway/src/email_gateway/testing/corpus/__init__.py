"""Messages as the world sends them, made by code, each with what it must parse to."""

from typing import Final

from email_gateway.testing.corpus import broken, files, hostile, machines, people, winmail
from email_gateway.testing.corpus.writing import Sample

SAMPLES: Final[tuple[Sample, ...]] = (
    *people.SAMPLES,
    *broken.SAMPLES,
    *files.SAMPLES,
    *machines.SAMPLES,
    *hostile.SAMPLES,
    *winmail.SAMPLES,
)
