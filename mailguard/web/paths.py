"""The addresses of the pages that other pages and layers speak of."""

from __future__ import annotations

STATIC = "/static/"
API = "/api/v1"
HOME, SIGN_IN, SECOND, SIGN_OUT, AGAIN = "/", "/sign-in", "/sign-in/second", "/sign-out", "/sign-in/again"
SET_UP, DEVICES, SECURITY, HISTORY = "/set-up", "/devices", "/security", "/history"
PASSKEYS, PASSKEY_ADD = "/security/passkeys", "/security/passkeys/add"
SET_UP_SCAN, SET_UP_CONFIRM, SET_UP_AGAIN = "/set-up/scan", "/set-up/confirm", "/set-up/start-again"
SET_UP_ADDRESS, SET_UP_DEVICE = "/set-up/second-address", "/set-up/device"
RECOVERY_CODES, RECOVERY_FILE, RECOVERY_KEPT = "/recovery-codes", "/recovery-codes/file", "/recovery-codes/kept"
AUTHENTICATORS, SECOND_ADDRESSES, BROWSERS = "/security/authenticators", "/security/addresses", "/security/browsers"
NOT_ME = "/history/not-me"
ADD_DEVICE = "/devices/add"
CLAIM = "/claim"
HANDOUT = "/set-up-device"
ADMIN = "/admin"
ADMIN_ACCOUNTS, ADMIN_ADD, ADMIN_IMPORT = "/admin/accounts", "/admin/accounts/add", "/admin/accounts/import"
ADMIN_SESSIONS, ADMIN_READINESS, ADMIN_POLICY = "/admin/sessions", "/admin/readiness", "/admin/policy"
ADMIN_KEYS = "/admin/keys"
ADMIN_RECORD, ADMIN_EXPORT = "/admin/audit", "/admin/audit/export"

_DISCOVERY = ("/mail/config-v1.1.xml", "/.well-known/autoconfig/mail/config-v1.1.xml", "/autodiscover/autodiscover.xml")


def discovers(path: str) -> bool:
    """Whether mail programs look for their settings there. Outlook spells it as it likes."""
    return path.lower() in _DISCOVERY


def is_api(path: str) -> bool:
    """Whether programs come there, with a key."""
    return path.startswith(API + "/")


def takes_files(path: str) -> bool:
    """Whether more than a form may be sent there."""
    return path in (ADMIN_IMPORT, f"{API}/accounts/import")


def inside(wished: str) -> str:
    """A path of ours to go on to, HOME for everything else: a link that was sent must lead nowhere else."""
    plain = wished.isascii() and wished.isprintable() and "\\" not in wished
    return wished if plain and wished.startswith("/") and not wished.startswith("//") else HOME
