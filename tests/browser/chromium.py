"""Headless Chromium, and what every page that it shows must keep to."""

from __future__ import annotations

import base64
import contextlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256, Hash
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from playwright.async_api import async_playwright, expect

from tests.web.browser import HOST

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Error, Page, Request

    from tests.support.certs import Issued

BINARY = Path("/usr/bin/chromium")  # Debian's: playwright would download its own
ELSEWHERE = "attacker.example"  # another site, on this machine too
PATIENCE_MS = 15_000  # the machine may be busy

expect.set_options(timeout=PATIENCE_MS)

Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
WIDTHS = {"wide": 1280, "phone": 360}
HEIGHTS = {"wide": 900, "phone": 740}


def missing() -> str:
    """Why there is no browser here; empty where there is one."""
    return "" if BINARY.exists() else "not installed: chromium (as root: make system-packages)"


@contextlib.asynccontextmanager
async def running_chromium(certificate: Issued) -> AsyncIterator[Browser]:
    """Start it, and end it. It believes this one certificate, and finds the guard under its name."""
    arguments = [
        f"--host-resolver-rules=MAP {HOST} 127.0.0.1, MAP {ELSEWHERE} 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE localhost",
        f"--ignore-certificate-errors-spki-list={_pin(certificate)}",
        "--disable-background-networking",
        "--disable-component-update",
    ]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=BINARY, args=arguments)
        yield browser
        await browser.close()


def _pin(certificate: Issued) -> str:
    key = x509.load_pem_x509_certificate(certificate.certificate.read_bytes()).public_key()
    digest = Hash(SHA256())
    digest.update(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    return base64.b64encode(digest.finalize()).decode()


@dataclass
class Watch:
    """What a browser complained of, and where it went: every page of every test is looked at so."""

    origin: str
    complaints: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)

    def over(self, context: BrowserContext) -> None:
        """Watch whatever opens in it."""
        context.on("console", self._said)
        context.on("weberror", lambda failed: self._failed(failed.error))
        context.on("request", self._asked)

    def assert_quiet(self) -> None:
        """Nothing of ours was refused by our own policy, no script failed, and nobody else was asked for anything."""
        found = [*self.complaints, *self.strangers]
        assert not found, "\n".join(found)

    def _said(self, message: ConsoleMessage) -> None:
        answered = "Failed to load resource: the server responded with a status of"  # 403, 404: what was asked for
        if message.type in ("error", "warning") and not message.text.startswith(answered):
            self.complaints.append(message.text)

    def _failed(self, error: Error) -> None:
        self.complaints.append(str(error))

    def _asked(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme != "data" and f"{parts.scheme}://{parts.netloc}" != self.origin:
            self.strangers.append(request.url)


@contextlib.asynccontextmanager
async def person(
    browser: Browser,
    origin: str,
    *,
    script: bool = True,
    scheme: Scheme = "light",
    width: str = "wide",
    language: str = "en",
    watch: Watch | None = None,
    attacked: bool = False,
) -> AsyncIterator[Page]:
    """One person's browser: cookies of its own, one page. It is watched, and must be quiet at the end, unless it was
    attacked."""
    watch = watch or Watch(origin)
    context = await browser.new_context(
        base_url=origin,
        java_script_enabled=script,
        color_scheme=scheme,
        locale=language,
        timezone_id="Europe/Berlin",
        reduced_motion="reduce",
        viewport={"width": WIDTHS[width], "height": HEIGHTS[width]},
    )
    context.set_default_timeout(PATIENCE_MS)
    watch.over(context)
    try:
        yield await context.new_page()
        if not attacked:
            watch.assert_quiet()
    finally:
        await context.close()
