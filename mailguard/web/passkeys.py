"""WebAuthn: what a page asks of an authenticator, and whether what comes back is an answer to it.

The one module that imports the library. Its texts about what was wrong go nowhere: what does not fit is no answer.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import webauthn
from webauthn.helpers import parse_authentication_credential_json
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from mailguard.auth.passkeys import NewPasskey, PasskeyUse
from mailguard.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailguard.auth.accounts import Passkey
    from mailguard.auth.standing import SignedIn
    from mailguard.web.house import House

LONGEST_ANSWER = 16_384  # characters; one of RSA with its certificates has 3,000
LONGEST_CREDENTIAL = 1023  # bytes (WebAuthn §4, credential ID)
TIMEOUT = 300_000  # milliseconds that the browser waits, as long as the page between keeps what was typed
# Phones and tokens do the first, newer tokens the second, Windows Hello the third. No other is asked for or taken.
_ALGORITHMS = [
    COSEAlgorithmIdentifier.ECDSA_SHA_256,
    COSEAlgorithmIdentifier.EDDSA,
    COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256,
]
# The password is what the person knows already: the passkey needs show no more than that it is at hand.
_VERIFIES = UserVerificationRequirement.PREFERRED


def new_challenge() -> bytes:
    """What a page has signed once."""
    return secrets.token_bytes(32)


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """Whom passkeys are made for. They answer to its host alone: a page that looks like ours gets none of them."""

    host: str
    origin: str
    name: str

    @classmethod
    def of(cls, public_url: str, name: str) -> RelyingParty:
        """From where browsers find the portal, and what authenticators are to show."""
        parts = urlsplit(public_url)
        origin = f"{parts.scheme}://{parts.netloc}".lower().removesuffix(":443")
        return cls(parts.hostname or "", origin, name)

    def creation(self, signed: SignedIn, existing: Sequence[Passkey], challenge: bytes) -> str:
        """JSON that asks for a new passkey (PublicKeyCredentialCreationOptionsJSON). `existing` are not made twice."""
        options = webauthn.generate_registration_options(
            rp_id=self.host,
            rp_name=self.name,
            user_name=signed.name,
            user_id=signed.account_id.encode(),
            challenge=challenge,
            timeout=TIMEOUT,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED, user_verification=_VERIFIES
            ),
            exclude_credentials=[PublicKeyCredentialDescriptor(each.credential) for each in existing],
            supported_pub_key_algs=_ALGORITHMS,
        )
        return webauthn.options_to_json(options)

    def made(self, sent: str, challenge: bytes) -> NewPasskey | None:
        """The passkey in what the browser sent back (RegistrationResponseJSON); None where it is no answer."""
        if len(sent) > LONGEST_ANSWER:
            return None
        try:
            found = webauthn.verify_registration_response(
                credential=sent,
                expected_challenge=challenge,
                expected_rp_id=self.host,
                expected_origin=self.origin,
                supported_pub_key_algs=_ALGORITHMS,
            )
        except Exception:  # from the depths of CBOR, ASN.1 and curves: of no input is it known what it raises
            return None
        if len(found.credential_id) > LONGEST_CREDENTIAL:
            return None
        return NewPasskey(found.credential_id, found.credential_public_key, found.sign_count, challenge)

    def request(self, challenge: bytes) -> str:
        """JSON that asks for an answer (PublicKeyCredentialRequestOptionsJSON). It names no passkey, whoever is asked:
        which there are, and whether any, the page does not know."""
        options = webauthn.generate_authentication_options(
            rp_id=self.host, challenge=challenge, timeout=TIMEOUT, user_verification=_VERIFIES
        )
        return webauthn.options_to_json(options)

    def answer(self, sent: str, challenge: bytes) -> Answer:
        """What the browser sent back (AuthenticationResponseJSON), to be looked at when it is its turn."""
        return Answer(self, sent, challenge)


@dataclass(frozen=True, slots=True)
class Answer:
    """An auth.passkeys.PasskeyAnswer."""

    party: RelyingParty
    sent: str
    challenge: bytes

    @property
    def string(self) -> Secret:
        """All of it."""
        return Secret(self.sent.encode(errors="replace"))

    def find(self, passkeys: Sequence[Passkey]) -> PasskeyUse | None:
        """By the id that it names, and the signature under that one's key."""
        if len(self.sent) > LONGEST_ANSWER:
            return None
        try:
            sent = parse_authentication_credential_json(self.sent)
            passkey = next((each for each in passkeys if each.credential == sent.raw_id), None)
            if passkey is None:
                return None
            # The count is judged by whoever decides, after the signature: a copy is not to be told from noise else.
            found = webauthn.verify_authentication_response(
                credential=sent,
                expected_challenge=self.challenge,
                expected_rp_id=self.party.host,
                expected_origin=self.party.origin,
                credential_public_key=passkey.public_key,
                credential_current_sign_count=0,
            )
        except Exception:  # as in RelyingParty.made()
            return None
        return PasskeyUse(passkey, found.new_sign_count, self.challenge)


def party_of(house: House) -> RelyingParty:
    """Whom the passkeys of this portal are made for."""
    return RelyingParty.of(house.origin, house.desk.issuer)
