"""The login to an IMAP store: greeting, TLS, capabilities, whom it is for, credential, capabilities again."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass

from mailguard.auth.attempt import LoginForm
from mailguard.backends.failure import BackendFailure, FailureKind
from mailguard.backends.imap import Answer, ImapWire
from mailguard.backends.imap_answers import Word, meaning_of_no, names, untagged_capabilities, untagged_status
from mailguard.backends.login import Credential
from mailguard.backends.target import Caller, Target
from mailguard.config import TlsMode

DANGERS = frozenset({"UNAUTHENTICATE"})  # RFC 8437: a user could send it through the relay and log in afresh
_IN_ONE_LINE = frozenset({"AUTH=PLAIN", "SASL-IR"})  # the credential needs no continuation
_LOGIN_LINES = 32  # untagged ones; Dovecot's proxy takes as many


@dataclass(frozen=True, slots=True)
class ImapLeg:
    """A logged-in connection to an IMAP store."""

    reply: bytes
    untagged: tuple[bytes, ...]
    capabilities: frozenset[str]
    wire: ImapWire
    behind: bytes  # what came behind the login and was read while we asked for capabilities

    def detach(self) -> tuple[asyncio.Transport, bytes]:
        """The transport, reading paused, and the bytes that came behind the reply."""
        transport, leftover = self.wire.detach()
        return transport, self.behind + leftover

    def abort(self) -> None:
        """Cut the connection now."""
        self.wire.abort()


async def secure(wire: ImapWire, target: Target) -> frozenset[str]:
    """From the greeting to the capabilities that hold for the login. Raises BackendFailure, ssl.SSLError, OSError."""
    greeting = await wire.greeting()
    listed = greeting.capabilities
    if target.tls is TlsMode.STARTTLS:
        offered = names(listed) if listed is not None else await _capabilities(wire)
        if "STARTTLS" not in offered:
            raise BackendFailure(FailureKind.TLS, "the store does not offer STARTTLS")
        answer = await wire.ask("STARTTLS", park=True)
        if answer.status.word is not Word.OK:
            raise BackendFailure(FailureKind.TLS, f"STARTTLS refused: {wire.quote(answer.status.text)}")
        assert target.context is not None
        await wire.start_tls(target.context, target.host)
        listed = None  # said in clear, by anybody
    return names(listed) if listed is not None else await _capabilities(wire)


async def log_in(wire: ImapWire, target: Target, credential: Credential, caller: Caller) -> ImapLeg:
    """Log in on a fresh connection. Raises BackendFailure, ssl.SSLError, OSError."""
    capabilities = await secure(wire, target)
    _refuse_unsafe(capabilities)
    named = target.forward_client and "ID" in capabilities
    in_one = named and target.manners.takes_together and capabilities >= _IN_ONE_LINE
    if in_one:
        wire.ahead("ID", _identification(caller))
    elif named:
        target.manners.answered(await wire.ask("ID", _identification(caller)))
    answer = await _offer(wire, capabilities, credential)
    if in_one and wire.foretold is not None:
        target.manners.answered(wire.foretold)
    if answer.status.word is not Word.OK:
        raise _refusal(wire, answer, target)
    if not answer.heard:
        raise BackendFailure(FailureKind.PROTOCOL, "the store said yes before it heard the credential")
    if answer.status.code == b"REFERRAL":
        raise BackendFailure(FailureKind.TEMPORARY, f"the store refers us to {wire.quote(answer.status.arguments)}")
    leg = await _admitted(wire, answer)
    _refuse_unsafe(leg.capabilities)
    return leg


async def _capabilities(wire: ImapWire) -> frozenset[str]:
    answer = await wire.ask("CAPABILITY")
    return names(_listed(wire, answer))


def _listed(wire: ImapWire, answer: Answer) -> bytes:
    listed = answer.status.capabilities
    for line in answer.untagged:
        listed = untagged_capabilities(line) or listed
    if answer.status.word is not Word.OK or listed is None:
        raise BackendFailure(FailureKind.PROTOCOL, f"no capability list: {wire.quote(answer.status.text)}")
    return listed


def _refuse_unsafe(capabilities: frozenset[str]) -> None:
    if dangers := capabilities & DANGERS:
        raise BackendFailure(FailureKind.UNSAFE, f"the store lists {', '.join(dangers)}; switch it off there")


def _identification(caller: Caller) -> str:
    """Whom the login is for, so that the store's penalties and limits see clients and not us. Dovecot believes it from
    login_trusted_networks. Composed here alone: clients send such fields themselves. (RFC 2971 §3.1)
    """
    where, session = caller.origin, caller.session  # nothing in them has to be quoted
    address = f'"x-originating-ip" "{where.address}" "x-originating-port" "{where.port}"'
    return f'({address} "x-session-id" "{session}" "x-proxy-ttl" "5")'


async def _offer(wire: ImapWire, capabilities: frozenset[str], credential: Credential) -> Answer:
    user, password = credential.authcid.encode(), credential.password.reveal()
    if "AUTH=PLAIN" in capabilities:  # any octet fits (RFC 4616), and an authzid
        message = base64.b64encode(credential.plain().reveal())
        arguments, continuations = ["PLAIN"], [message]
        if "SASL-IR" in capabilities:  # RFC 4959
            arguments, continuations = ["PLAIN", message.decode("ascii")], []
        return await wire.offer(
            "AUTHENTICATE", *arguments, continuations=continuations, secrets=(message, password), lines=_LOGIN_LINES
        )
    if "LOGINDISABLED" not in capabilities and not credential.authzid:
        continuations = [b"%s {%d}" % (user, len(password)), password]  # literals: no quoting to get wrong
        return await wire.offer(
            "LOGIN", f"{{{len(user)}}}", continuations=continuations, secrets=(password,), lines=_LOGIN_LINES
        )
    raise BackendFailure(FailureKind.PROTOCOL, "the store offers no AUTH=PLAIN")


def _refusal(wire: ImapWire, answer: Answer, target: Target) -> BackendFailure:
    said = answer.status
    code = f"[{said.code.decode('ascii')}] " if said.code else ""
    text = f"the store said {said.word.value.decode('ascii')} {code}{wire.quote(said.text)}"
    if said.word is Word.BAD:
        return BackendFailure(FailureKind.PROTOCOL, text)
    kind = meaning_of_no(said.code)
    if not answer.heard and kind is FailureKind.REFUSED:
        return BackendFailure(FailureKind.TEMPORARY, f"{text}, before it heard the credential")
    if target.form is LoginForm.MASTER and said.code == b"AUTHORIZATIONFAILED":
        return BackendFailure(kind, "mailbox not provisioned: the store knows the master, but not this user")
    return BackendFailure(kind, text)


async def _admitted(wire: ImapWire, answer: Answer) -> ImapLeg:
    """Make the reply for the client: the store's own words, and a capability list in any case."""
    said = answer.status
    lists = [listed for line in answer.untagged if (listed := untagged_capabilities(line)) is not None]
    kept = [line + b"\r\n" for line in answer.untagged if _for_the_client(line)]
    behind = b""
    listed = said.capabilities or (lists[-1] if lists else None)
    if listed is None:
        wire.unpark()
        asked = await wire.ask("CAPABILITY", park=True)
        listed = _listed(wire, asked)
        # What else came meanwhile is the client's: the store may have sent it right behind its OK.
        behind = b"".join(line + b"\r\n" for line in asked.untagged if untagged_capabilities(line) is None)
    if said.code == b"ALERT":
        kept.append(b"* OK [ALERT] %s\r\n" % said.text)
    reply = b"OK [CAPABILITY %s] %s" % (listed, said.text or b"Logged in")
    capabilities = names(listed).union(*(names(each) for each in lists))
    return ImapLeg(reply, tuple(kept), capabilities, wire, behind)


def _for_the_client(line: bytes) -> bool:
    said = untagged_status(line)
    alert = said is not None and said.word in (Word.OK, Word.NO) and said.code == b"ALERT"
    return alert or untagged_capabilities(line) is not None
