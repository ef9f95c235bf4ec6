"""What pages ask of an authenticator, and what they take for an answer: real signatures, on both ends."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.auth.accounts import AccountName, Passkey
from mailguard.auth.attempt import Factor
from mailguard.auth.passkeys import PasskeyUse
from mailguard.auth.standing import SignedIn, Standing
from mailguard.web.passkeys import LONGEST_ANSWER, RelyingParty, new_challenge
from tests.support.passkeys import HOST, ORIGIN, VERIFIED, Authenticator, b64, unb64

PARTY = RelyingParty.of(ORIGIN, "Example practice")
ANN = SignedIn(AccountName("ann@example.org"), "account-id", Standing.ENROLS, Factor.PASSWORD, "", 0, 0.0)
CHALLENGE = new_challenge()


def kept(by: Authenticator, count: int = 0) -> Passkey:
    made = PARTY.made(by.create(PARTY.creation(ANN, [], CHALLENGE)), CHALLENGE)
    assert made is not None
    return Passkey("p", ANN.account_id, "phone", made.credential, made.public_key, count)


def test_what_a_page_asks_for() -> None:
    existing = kept(Authenticator())
    asked = json.loads(PARTY.creation(ANN, [existing], CHALLENGE))
    assert (asked["rp"], asked["challenge"]) == ({"id": HOST, "name": "Example practice"}, b64(CHALLENGE))
    assert asked["user"]["name"] == ANN.name
    assert unb64(asked["user"]["id"]) == b"account-id", "nothing about the person"
    assert asked["attestation"] == "none"
    assert asked["authenticatorSelection"]["residentKey"] == "required"
    assert asked["authenticatorSelection"]["userVerification"] == "preferred"
    assert [each["id"] for each in asked["excludeCredentials"]] == [b64(existing.credential)]
    assert {each["alg"] for each in asked["pubKeyCredParams"]} == {-7, -8, -257}


def test_whoever_is_asked_to_sign_in_the_page_names_no_passkey() -> None:
    asked = json.loads(PARTY.request(CHALLENGE))
    assert asked.get("allowCredentials", []) == []
    assert (asked["rpId"], asked["challenge"]) == (HOST, b64(CHALLENGE))


@pytest.mark.parametrize(
    ("url", "host", "origin"),
    [
        ("https://mail.example.org", HOST, ORIGIN),
        ("https://mail.example.org/", HOST, ORIGIN),
        ("https://Mail.example.org:8443", HOST, "https://mail.example.org:8443"),
        ("https://mail.example.org:443", HOST, ORIGIN),
        ("https://localhost:8443/portal", "localhost", "https://localhost:8443"),
    ],
)
def test_the_party_is_the_host_of_the_portal(url: str, host: str, origin: str) -> None:
    assert RelyingParty.of(url, "") == RelyingParty(host, origin, "")


@pytest.mark.parametrize("counts", [True, False])
def test_a_passkey_that_was_made_answers(counts: bool) -> None:
    by = Authenticator(counts=counts)
    passkey = kept(by)
    challenge = new_challenge()
    use = PARTY.answer(by.get(PARTY.request(challenge)), challenge).find([kept(Authenticator()), passkey])
    assert use == PasskeyUse(passkey, int(counts), challenge)
    assert use.forward


def test_one_that_asks_for_a_finger_is_as_good() -> None:
    by = Authenticator()
    assert PARTY.answer(by.get(PARTY.request(CHALLENGE), flags=1 | VERIFIED), CHALLENGE).find([kept(by)]) is not None


@pytest.mark.parametrize(
    ("known", "told", "forward"),
    [(0, 0, True), (0, 1, True), (5, 6, True), (5, 5, False), (5, 4, False), (5, 0, False)],
)
def test_a_count_goes_forward_or_is_not_kept(known: int, told: int, forward: bool) -> None:
    by = Authenticator(count=told - 1 if told else 0, counts=told > 0)
    use = PARTY.answer(by.get(PARTY.request(CHALLENGE)), CHALLENGE).find([kept(by, known)])
    assert use is not None, "the signature is right: whether it is a copy, the decision says"
    assert (use.sign_count, use.forward) == (told, forward)


def test_what_is_no_answer() -> None:
    by = Authenticator()
    passkey = kept(by)
    right = by.get(PARTY.request(CHALLENGE))
    assert PARTY.answer(right, CHALLENGE).find([passkey]) is not None
    sent = json.loads(right)

    def with_(**changed: object) -> str:
        return json.dumps({**sent, "response": {**sent["response"], **changed}})

    flipped = bytearray(unb64(sent["response"]["signature"]))
    flipped[-1] ^= 1
    phished = replace(by, origin="https://mail.example.0rg")
    wrong = {
        "another challenge": PARTY.answer(right, new_challenge()),
        "another's credential": PARTY.answer(right, CHALLENGE),
        "a signature of nothing": PARTY.answer(with_(signature=b64(bytes(flipped))), CHALLENGE),
        "a page that looks alike": PARTY.answer(phished.get(PARTY.request(CHALLENGE)), CHALLENGE),
        "a passkey of another site": PARTY.answer(replace(by, host="0rg").get(PARTY.request(CHALLENGE)), CHALLENGE),
        "nobody there": PARTY.answer(by.get(PARTY.request(CHALLENGE), flags=0), CHALLENGE),
        "made, not got": PARTY.answer(by.create(PARTY.request(CHALLENGE)), CHALLENGE),
        "nothing": PARTY.answer("", CHALLENGE),
        "a list": PARTY.answer("[]", CHALLENGE),
        "deep": PARTY.answer("[" * 16_000, CHALLENGE),
        "long": PARTY.answer(right + " " * LONGEST_ANSWER, CHALLENGE),
        "surrogates": PARTY.answer(json.dumps(sent).replace("public-key", "\ud800"), CHALLENGE),
    }
    for what, answer in wrong.items():
        asked = [kept(Authenticator())] if what == "another's credential" else [passkey]
        assert answer.find(asked) is None, what
        assert answer.string is not None
    # The count and the flags are what was signed: neither is to be set afterwards.
    for position in (32, 36):
        data = bytearray(unb64(sent["response"]["authenticatorData"]))
        data[position] ^= 4
        assert PARTY.answer(with_(authenticatorData=b64(bytes(data))), CHALLENGE).find([passkey]) is None


def test_what_is_no_new_passkey() -> None:
    by = Authenticator()
    options = PARTY.creation(ANN, [], CHALLENGE)
    right = by.create(options)
    long = Authenticator(credential=b"c" * 1024)
    wrong = {
        "another challenge": PARTY.made(right, new_challenge()),
        "a page that looks alike": PARTY.made(
            replace(by, origin="https://mail.example.0rg").create(options), CHALLENGE
        ),
        "for another site": PARTY.made(replace(by, host="0rg").create(options), CHALLENGE),
        "got, not made": PARTY.made(by.get(options), CHALLENGE),
        "an id beyond the standard's": PARTY.made(long.create(options), CHALLENGE),
        "nothing": PARTY.made("", CHALLENGE),
        "deep": PARTY.made("[" * 16_000, CHALLENGE),
        "long": PARTY.made(right + " " * LONGEST_ANSWER, CHALLENGE),
    }
    assert {what: made for what, made in wrong.items() if made is not None} == {}
    assert PARTY.made(right, CHALLENGE) is not None


@given(st.data())
def test_nothing_that_is_sent_raises(data: st.DataObject) -> None:
    by = Authenticator()
    passkey = Passkey("p", "a", "phone", by.credential, by.public_key)
    for right in (by.get(PARTY.request(CHALLENGE)), by.create(PARTY.creation(ANN, [], CHALLENGE))):
        sent = json.loads(right)
        field = data.draw(st.sampled_from(sorted(sent["response"])))
        junk = st.one_of(st.none(), st.integers(), st.text(max_size=40), st.binary(max_size=80).map(b64))
        sent["response"][field] = data.draw(junk)
        text = json.dumps(sent)
        if field not in ("userHandle",):
            assert PARTY.answer(text, CHALLENGE).find([passkey]) is None
            assert PARTY.made(text, CHALLENGE) is None
