"""What real clients say first, at a real door: whole and byte by byte, with more behind it, on both event loops."""

import asyncio
from pathlib import Path

import pytest

from tests.app.conftest import Start
from tests.support import transcripts
from tests.support.hostile_store import ImapStore, Peer
from tests.support.transcripts import FOLDER, Transcript

pytestmark = pytest.mark.both_loops

CLIENTS = ("curl", "imaplib", "ios", "k9", "mbsync", "neomutt", "outlook", "thunderbird")
FILES = [file for file in sorted((FOLDER / "imap").glob("*.txt")) if file.name.startswith(CLIENTS)]
HELP = '[portal]\npublic_url = "https://mail.example.org/security"\n'


class Store(ImapStore):
    """A store that answers each login with the next line of a transcript."""

    def __init__(self, transcript: Transcript) -> None:
        super().__init__(capabilities=" ".join(sorted({"IMAP4rev1", "SASL-IR", "ID", "AUTH=PLAIN"} | transcript.store)))
        self._answers = list(transcript.answers)

    def _answer(self, peer: Peer, tag: str, authzid: str, user: str, password: str) -> bool:
        said = b""
        while self._answers:
            match self._answers.pop(0).split(" ", 1):
                case ["untagged", line]:
                    said += line.encode() + b"\r\n"
                case ["admitted", line]:
                    peer.say(said + f"{tag} {line}\r\n".encode())
                    return True
                case ["refused", reason]:
                    code = "UNAVAILABLE" if reason == "backend-unavailable" else "AUTHENTICATIONFAILED"
                    peer.say(f"{tag} NO [{code}] no\r\n".encode())
                    return False
        raise AssertionError("asked more often than the transcript says")


def test_all_the_clients_are_there() -> None:
    assert {client for client in CLIENTS if any(file.name.startswith(client) for file in FILES)} == set(CLIENTS)


@pytest.mark.parametrize("step", [1, 4096])
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
async def test_a_client_hears_what_it_should(start: Start, file: Path, step: int) -> None:
    transcript = transcripts.read(file)
    admitted = any(answer.startswith("admitted") for answer in transcript.answers)
    async with start(imap=Store(transcript), more=HELP) as running:
        client = await running.client("imap" if transcript.tls else "imap-starttls")
        stretches = [part for part in transcript.heard if isinstance(part, bytes)]
        for number, sent in enumerate(transcript.sent):
            last = number == len(transcript.sent) - 1
            more = b"t NOOP\r\n" if last and admitted else b""
            for piece in transcripts.cut(sent + more, step):
                client.say(piece)
                await asyncio.sleep(0)
            if not last:
                assert await client.until(stretches[number]) == stretches[number]
                await client.start_tls()
        expected = b"".join(stretches[len(transcript.sent) - 1 :])
        if admitted:
            expected += b"t OK NOOP done\r\n"
        heard = b""
        while len(heard) < len(expected):
            heard += await client.line() + b"\r\n"
        assert heard == expected
        client.close()
