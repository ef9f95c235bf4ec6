"""The mail store of the demo: pymap in memory, with two doors on loopback, TLS from the first byte at both.

The *relay door* takes the master identity alone, speaking for a user by authzid (SASL PLAIN, RFC 4616 §2). The
*password door* takes users' own passwords alone: the guard asks there whether a password is right and never relays
to it. So nothing that a client sends through a relay can log in afresh, as at a well-kept store.
"""

from __future__ import annotations

import ssl
from argparse import Namespace
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from pymap.backend.dict import Config, Login
from pymap.backend.dict.filter import FilterSet
from pymap.backend.dict.mailbox import MailboxSet
from pymap.concurrent import Subsystem
from pymap.exceptions import InvalidAuth
from pymap.imap import IMAPServer
from pymap.parsing.message import AppendMessage
from pymap.user import Passwords, UserMetadata
from pysasl.creds.plain import PlainCredentials
from pysasl.hashing import BuiltinHash

from mailguard.demo.door import Door
from mailguard.secret import Secret

_MAY_SPEAK_FOR_OTHERS = frozenset({"admin"})  # pymap's own name of the role


@dataclass(frozen=True, slots=True)
class User:
    """A login and its password."""

    name: str
    password: Secret


class MailStore:
    """Mailboxes that live as long as the process."""

    def __init__(self, users: Iterable[User], master: User, context: ssl.SSLContext) -> None:
        self._users = tuple(users)
        self._master = master
        self._config = _Settings()
        self._mailboxes: dict[str, MailboxSet] = {}
        self._own = Login(self._config)
        self._relayed = Login(self._config)
        self._password_door = Door(IMAPServer(self._own, self._config), context)
        self._relay_door = Door(IMAPServer(self._relayed, self._config), context)

    async def start(self) -> None:
        """Make the mailboxes and open both doors, on ports of the system's choosing."""
        self._config.apply_context()
        for user in self._users:
            self._mailboxes[user.name] = mailboxes = MailboxSet()
            self._config.set_cache[user.name] = (mailboxes, FilterSet())
            self._own.users_dict[user.name] = await self._identity(user)
            self._relayed.users_dict[user.name] = UserMetadata(self._config, user.name)  # no password opens it
        self._relayed.users_dict[self._master.name] = await self._identity(self._master, _MAY_SPEAK_FOR_OTHERS)
        await self._password_door.open()
        await self._relay_door.open()

    async def _identity(self, user: User, roles: frozenset[str] = frozenset()) -> UserMetadata:
        digest = await Passwords(self._config).hash_password(user.password.reveal().decode())
        return UserMetadata(self._config, user.name, password=digest, roles=roles)

    @property
    def password_port(self) -> int:
        """Where users' own passwords log in."""
        return self._password_door.port

    @property
    def relay_port(self) -> int:
        """Where the master identity logs in, for a user."""
        return self._relay_door.port

    async def speaks_for(self, authzid: str, authcid: str, password: str) -> bool:
        """May whoever logs in so act for the user `authzid`?"""
        try:
            identity = await self._relayed.authenticate(PlainCredentials(authcid, password, authzid))
            await self._relayed.authorize(identity, authzid)
        except InvalidAuth:
            return False
        return self.holds(authzid)

    def holds(self, address: str) -> bool:
        """Is this the address of a mailbox here?"""
        return address.lower() in self._mailboxes

    async def deliver(self, address: str, letter: bytes) -> None:
        """Put one letter into an inbox; a client that waits there in IDLE hears of it."""
        inbox = await self._mailboxes[address.lower()].get_mailbox("INBOX")
        await inbox.append(AppendMessage(letter, datetime.now(UTC)), recent=True)

    async def stop(self) -> None:
        """Close both doors and whatever is connected."""
        await self._password_door.close()
        await self._relay_door.close()


class _Settings(Config):
    """pymap's configuration without its command line."""

    def __init__(self) -> None:
        super().__init__(
            Namespace(passlib_cfg=None, proxy_protocol=None),
            host=None,
            port=0,
            demo_data=False,
            demo_user="",
            demo_password="",
            tls_enabled=False,  # no STARTTLS: TLS is there before pymap sees a byte
            hash_context=BuiltinHash(rounds=1000),  # random passwords that die with the process: nothing to guess
            cpu_subsystem=Subsystem.for_asyncio(),
        )

    @property
    def greeting(self) -> bytes:
        """Without the host's own name, whose look-up may hold the loop for seconds."""
        return b"demo mail store ready"
