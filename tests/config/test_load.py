"""Reading config.toml: what is accepted, and that every refusal names the key and what to write."""

from contextlib import suppress
from datetime import date
from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.config import (
    ConfigError,
    ConfigErrors,
    Login,
    ProtocolName,
    Settings,
    TlsMode,
    TwoFactor,
    load,
)
from mailguard.config.connections import Backend, Identity, NotifyRelay, SubmissionBackend
from mailguard.config.directory import IdentityLdap
from mailguard.config.errors import Wrong
from mailguard.config.kinds import ADDRESS, duration, in_words
from mailguard.config.settings import Notify

SMALLEST = """
[server]
hostname = "mail.example.org"
[[listen]]
protocol = "imap"
address = "127.0.0.1:0"
[backend.imap]
host = "store.internal"
port = 993
"""


def read(folder: Path, *extra: str, base: str = SMALLEST) -> Settings:
    file = folder / "config.toml"
    file.write_text(base + "\n".join(extra), encoding="utf-8")
    return load(file)


def problems(folder: Path, *extra: str, base: str = SMALLEST) -> list[str]:
    with pytest.raises(ConfigErrors) as caught:
        read(folder, *extra, base=base)
    return str(caught.value).splitlines()


def test_the_smallest_file_takes_every_default(tmp_path: Path) -> None:
    settings = read(tmp_path)
    assert settings.server.workers >= 1
    assert settings.server.drain == 30
    assert settings.tls.certificate == tmp_path / "certs/fullchain.pem"
    assert settings.listen[0].tls is TlsMode.IMPLICIT
    assert settings.store.url == f"sqlite:///{tmp_path}/mailguard.db"
    assert settings.keys.file == tmp_path / "keys.toml"
    assert settings.backend[ProtocolName.IMAP].login is Login.OWN
    assert settings.backend["imap"].ca is None
    assert settings.identity.backend is None
    assert settings.policy.two_factor is TwoFactor.OPTIONAL
    assert settings.policy.grant_limit == 12 * 3600
    assert settings.policy.app_password_expires is None
    assert settings.portal.public_url == "https://mail.example.org"
    assert settings.file == tmp_path / "config.toml"


def test_every_built_key_can_be_changed(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        """
[tls]
certificate = "/etc/ssl/c.pem"
minimum = "TLSv1.3"
names = [{ name = "imap.example.net", certificate = "n.pem", private_key = "n.key" }]
[store]
url = "sqlite:////var/lib/mailguard/records.db"
[names]
domain = "example.net"
[identity]
unknown = "refuse"
[identity.backend]
host = "::1"
port = 10993
tls = "none"
[backend.submission]
host = "unix:/run/submission"
port = 587
tls = "none"
login = "master"
username = "local"
master_user = "guard"
master_secret_file = "master"
master_form = "separator"
forward_client = "none"
[policy]
two_factor = "enforce"
administrators = "optional"
code_window = "both"
codes_in_mail_clients = false
grant_limit = "0"
app_password_limit = 3
app_password_expires = "365d"
[throttle]
failure_delay = "1.5s"
[portal]
public_url = "https://help.example.org/mail"
support = "Ann, +64 3 555 0100"
[observe]
log = "text"
[notify]
from = "security@example.net"
organisation = "desk@office.example"
[notify.relay]
host = "relay.internal"
port = 465
tls = "implicit"
user = "guard"
secret_file = "relay-secret"
""",
    )
    assert settings.tls.certificate == Path("/etc/ssl/c.pem")
    assert settings.tls.names[0].private_key == tmp_path / "n.key"
    assert settings.store.url == "sqlite:////var/lib/mailguard/records.db"
    assert settings.identity.backend is not None
    assert settings.identity.backend.port == 10993
    submission = settings.backend["submission"]
    assert (submission.host, submission.login, submission.master_user) == ("unix:/run/submission", "master", "guard")
    assert submission.master_secret_file == tmp_path / "master"
    assert settings.policy.two_factor is TwoFactor.ENFORCE
    assert settings.notify.organisation == "desk@office.example"
    assert settings.notify.relay is not None
    assert settings.notify.relay.secret_file == tmp_path / "relay-secret"
    assert settings.policy.grant_limit == 0
    assert settings.policy.app_password_expires == 365 * 86400
    assert settings.throttle.failure_delay == 1.5
    assert settings.portal.public_url == "https://help.example.org/mail"


def test_trust_and_dates_are_read_and_inherited(tmp_path: Path) -> None:
    policy = read(
        tmp_path,
        "[policy]",
        "enforce_from = 2027-03-01",
        'trusted_networks = [{ network = "192.0.2.0/24", until = 2027-03-31 }]',
        "[policy.group.staff]",
        'two_factor = "enforce"',
    ).policy
    assert policy.of("staff").enforce_from == date(2027, 3, 1)
    (trusted,) = policy.of("staff").trusted_networks
    assert (str(trusted.network), trusted.until) == ("192.0.2.0/24", date(2027, 3, 31))


def test_a_group_overrides_the_policy_and_inherits_the_rest(tmp_path: Path) -> None:
    policy = read(
        tmp_path, "[policy]", "app_password_limit = 5", "[policy.group.staff]", 'two_factor = "enforce"'
    ).policy
    assert policy.of("staff").two_factor is TwoFactor.ENFORCE
    assert policy.of("staff").app_password_limit == 5
    assert policy.of("elsewhere") is policy
    assert policy.two_factor is TwoFactor.OPTIONAL


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ("[servr]", "config.toml: servr: is unknown; did you mean server?"),
        ("[tls]\nminimun = 1", "config.toml: tls.minimun: is unknown; did you mean minimum?"),
        ("[store]\nzzz = 1", "config.toml: store.zzz: is unknown; remove it (known are url)"),
        (
            "[tls]\nminimum = 1.2",
            'config.toml: tls.minimum: must be text in quotes, not float; write minimum = "TLSv1.2"',
        ),
        (
            '[tls]\nminimum = "TLSv1.0"',
            'config.toml: tls.minimum: must be TLSv1.2 or TLSv1.3, not "TLSv1.0"; write minimum = "TLSv1.2"',
        ),
        (
            '[identity]\nsource = "ldap"',
            'config.toml: identity.ldap: is missing: source = "ldap" needs it; write it with url, bind and search',
        ),
        (
            '[identity]\nsource = "local"',
            'config.toml: identity.source: "local" does not go with backend.imap.login = "own": the store does not '
            'know these passwords; write login = "master" in [backend.imap]',
        ),
        ("[backend.pop3]", "config.toml: backend.pop3: is not built yet; remove the table"),
        ("[backend.imaps]", "config.toml: backend.imaps: is unknown; did you mean imap?"),
        (
            '[observe]\nmetrics = "127.0.0.1:8443"',
            "config.toml: observe.metrics: 127.0.0.1:8443 is taken by portal already; write another port or remove one",
        ),
        (
            '[policy]\ntwo_factor = "warn"\nenforce_from = 2027-03-01',
            'config.toml: policy.enforce_from: enforces nothing: two_factor is "warn"; write two_factor = "enforce", '
            "which warns until then, or remove the date",
        ),
        (
            "[policy]\nenforce_from = 2027-03-01T10:00:00",
            "config.toml: policy.enforce_from: must be a date such as 2027-03-31, or empty, not 2027-03-01 10:00:00; "
            'write enforce_from = ""',
        ),
        (
            '[policy]\ntrusted_networks = ["192.0.2.0/24"]',
            "config.toml: policy.trusted_networks: must hold tables such as "
            '{ network = "192.0.2.0/24", until = 2027-03-31 }, not "192.0.2.0/24"; write trusted_networks = []',
        ),
        (
            "[policy]\ntrusted_networks = 7",
            "config.toml: policy.trusted_networks: must be a list of tables such as "
            '{ network = "192.0.2.0/24", until = 2027-03-31 }, not 7; write trusted_networks = []',
        ),
        (
            '[policy]\ntrusted_networks = [{ network = "192.0.2.0/24" }]',
            "config.toml: policy.trusted_networks: must hold tables of a network and its last day, such as "
            '{ network = "192.0.2.0/24", until = 2027-03-31 }, not { network }; write trusted_networks = []',
        ),
        (
            '[policy]\ntrusted_networks = [{ network = "192.0.2.0/24", until = "" }]',
            "config.toml: policy.trusted_networks: has no last day for 192.0.2.0/24: trust ends, such as "
            '{ network = "192.0.2.0/24", until = 2027-03-31 }; write trusted_networks = []',
        ),
        (
            '[policy]\ntrusted_networks = [{ network = "0.0.0.0/0", until = 2027-03-31 }]',
            "config.toml: policy.trusted_networks: must hold networks of a house, not 0.0.0.0/0, which is too wide to "
            "know who is in it; write trusted_networks = []",
        ),
        (
            '[store]\nurl = "postgresql://db/mailguard"',
            "config.toml: store.url: postgresql is not built yet; "
            'remove the line or write url = "sqlite:///mailguard.db"',
        ),
        (
            '[throttle]\nfailure_delay = "5 seconds"',
            'config.toml: throttle.failure_delay: must be a length of time such as "90s", "15m", "12h", "365d" or "0", '
            'not "5 seconds"; write failure_delay = "3s"',
        ),
        (
            '[throttle]\nfailure_delay = "1h"',
            'config.toml: throttle.failure_delay: must be 0..30s, not "1h"; write failure_delay = "3s"',
        ),
        (
            "[policy]\ncodes_in_mail_clients = 1",
            "config.toml: policy.codes_in_mail_clients: must be true or false, not 1; "
            "write codes_in_mail_clients = true",
        ),
        (
            "[policy]\napp_password_limit = true",
            "config.toml: policy.app_password_limit: must be a whole number, not true; write app_password_limit = 20",
        ),
        (
            '[portal]\nsupport = "ring\\r\\n* OK"',
            'config.toml: portal.support: must not hold control characters; write support = ""',
        ),
        (
            '[portal]\npublic_url = "http://mail.example.org"',
            "config.toml: portal.public_url: must be an address that begins with https://, "
            'not "http://mail.example.org"; write public_url = "https://mail.example.org"',
        ),
        (
            '[portal]\ndomains = "example.org"',
            'config.toml: portal.domains: must be a list of domains, not "example.org"; write domains = []',
        ),
        (
            '[portal]\ndomains = ["exämple.org"]',
            'config.toml: portal.domains: must be a host name, not "exämple.org"; write domains = []',
        ),
        ("[policy.group]\nstaff = 3", "config.toml: policy.group.staff: must be a table; write [policy.group.staff]"),
        (
            "[throttle]\nunauthenticated = 100",
            "config.toml: throttle.unauthenticated_per_network: is more than throttle.unauthenticated; "
            "write at most 100",
        ),
        (
            '[store]\nurl = "sqlite://"',
            'config.toml: store.url: must be sqlite:///FILE, not "sqlite://"; write url = "sqlite:///mailguard.db"',
        ),
        ("[policy]\ngroup = 1", "config.toml: policy.group: must hold tables; write [policy.group.NAME]"),
    ],
)
def test_a_refusal_names_the_file_the_key_and_what_to_write(tmp_path: Path, extra: str, said: str) -> None:
    assert problems(tmp_path, extra) == [said]


@pytest.mark.parametrize(
    ("backend", "said"),
    [
        ("port = 993", 'config.toml: backend.imap.host: is missing; write host = "store.internal"'),
        (
            'host = "store"\nport = 70000',
            "config.toml: backend.imap.port: must be 1..65535, not 70000; write port = 993",
        ),
        (
            'host = "store"\nport = 143\ntls = "none"',
            'config.toml: backend.imap.tls: "none" would send passwords to store in clear; '
            'write tls = "implicit" or "starttls"',
        ),
        (
            'host = "unix:/run/imap"\nport = 143',
            'config.toml: backend.imap.tls: a unix socket has no name to verify; write tls = "none"',
        ),
        (
            'host = "store"\nport = 993\nlogin = "master"\nmaster_user = "guard"',
            'config.toml: backend.imap.master_secret_file: login = "master" needs it; '
            "write the name of a file (mode 0600) that holds the master's password",
        ),
        (
            'host = "store"\nport = 993\nlogin = "master"\nmaster_secret_file = "x"',
            'config.toml: backend.imap.master_user: login = "master" needs it; write the master user of your store',
        ),
        (
            'host = "store"\nport = 993\nusername = "local"',
            "config.toml: names.domain: is empty while backend.imap.username names no domain: "
            "the store would take ann@elsewhere for ann; write the one domain that the store serves",
        ),
        (
            'host = "sto re"\nport = 993',
            'config.toml: backend.imap.host: must be a host name, an IP address or unix:/path, not "sto re"; '
            'write host = "store.internal"',
        ),
        (
            'host = "store"\nport = 993\nbind = "eth0"',
            "config.toml: backend.imap.bind: must be an IP address of this machine or empty, "
            'not "eth0"; write bind = ""',
        ),
    ],
)
def test_the_way_to_the_store_must_be_safe(tmp_path: Path, backend: str, said: str) -> None:
    assert problems(tmp_path, backend, base=SMALLEST.partition("host = ")[0]) == [said]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "::1", "localhost"])
def test_clear_text_is_allowed_within_this_machine(tmp_path: Path, host: str) -> None:
    settings = read(tmp_path, f'host = "{host}"\nport = 143\ntls = "none"', base=SMALLEST.partition("host = ")[0])
    assert settings.backend["imap"].tls is TlsMode.NONE


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("127.0.0.1:993", "127.0.0.1:993"),
        ("[::]:993", "0.0.0.0:993"),
        ("0.0.0.0:993", "[::]:993"),
        ("[::1]:1", "[0:0::1]:1"),
    ],
)
def test_two_doors_on_one_address_are_refused(tmp_path: Path, first: str, second: str) -> None:
    doors = [f'[[listen]]\nprotocol = "imap"\naddress = "{address}"' for address in (first, second)]
    assert problems(tmp_path, *doors) == [
        f"config.toml: listen[3].address: {second} is taken by listen[2] already; write another port or remove one"
    ]


def test_a_master_login_for_submission_alone_must_say_who_knows_passwords(tmp_path: Path) -> None:
    submission = SMALLEST.replace("imap", "submission").replace("993", "465")
    master = 'login = "master"\nmaster_user = "guard"\nmaster_secret_file = "x"'
    (said,) = problems(tmp_path, master, base=submission)
    assert said.startswith("config.toml: identity.backend: is missing")


def test_a_door_needs_a_backend(tmp_path: Path) -> None:
    door = '[[listen]]\nprotocol = "submission"\naddress = "127.0.0.1:465"'
    assert problems(tmp_path, door) == [
        "config.toml: listen[2].protocol: leads nowhere; write [backend.submission] or remove this door"
    ]


@pytest.mark.parametrize(
    "address", ["993", "localhost:993", "::1:993", "127.0.0.1:", "127.0.0.1:70000", "[127.0.0.1]:1"]
)
def test_a_door_wants_an_address_and_a_port(tmp_path: Path, address: str) -> None:
    (said,) = problems(tmp_path, f'[[listen]]\nprotocol = "imap"\naddress = "{address}"')
    assert said.startswith("config.toml: listen[2].address: must be an IP address and a port")


def test_every_problem_is_said_at_once(tmp_path: Path) -> None:
    said = problems(tmp_path, base='[server]\nworkers = 0\nusr = "x"\n[policy]\ntwo_factor = "always"\n')
    assert [line.split(": ")[1] for line in said] == [
        "server.usr",
        "server.hostname",
        "server.workers",
        "listen",
        "backend",
        "policy.two_factor",
    ]


def test_a_missing_and_a_broken_file_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"config\.toml: no such file in .*; make one with `mailguard init`"):
        load(tmp_path / "config.toml")
    assert problems(tmp_path, base="[server") == [
        "config.toml: is not TOML (Expected ']' at the end of a table declaration (at end of document)); mend that line"
    ]


def test_what_is_not_acted_on_is_listed(tmp_path: Path) -> None:
    unacted = read(tmp_path, "[backend.submission]", 'host = "store"', "port = 465").unacted()
    assert [line.partition(" = ")[0] for line in unacted] == [
        "backend.submission.forward_client",
    ]


def test_a_feature_that_is_switched_off_needs_no_mention(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        '[backend.submission]\nhost = "store"\nport = 465\nforward_client = "none"',
    )
    assert not [line for line in settings.unacted() if "forward_client" in line]


@given(st.integers(min_value=0, max_value=365 * 86400))
def test_a_length_of_time_survives_being_written(seconds: int) -> None:
    assert duration("0", "365d").read(in_words(seconds), Path()) == seconds


@given(st.ip_addresses(), st.integers(min_value=0, max_value=65535))
def test_every_address_is_accepted_as_it_is_usually_written(address: object, port: int) -> None:
    written = f"[{address}]:{port}" if ip_address(str(address)).version == 6 else f"{address}:{port}"
    assert ADDRESS.read(written, Path()) == written


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists))
def test_no_value_of_a_key_breaks_the_reader(value: object) -> None:
    for _, _, key in Settings().lines():
        with suppress(Wrong):
            key.kind.read(value, Path())


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ('[notify]\norganisation = "desk@office.example"', "notify.from: is empty"),
        ('[notify]\n[notify.relay]\nhost = "::1"\nport = 25\ntls = "none"', "notify.from: is empty"),
        ('[notify]\nfrom = "s@example.org"\norganisation = "d@office.example"', "notify.organisation: cannot be told"),
        ('[notify]\nfrom = "s@example.org"\n[notify.relay]\nhost = "r.example"\nport = 25\ntls = "none"', "in clear"),
        (
            '[notify]\nfrom = "s@example.org"\n[notify.relay]\nhost = "r"\nport = 25\nuser = "u"',
            "secret_file: is missing",
        ),
        (
            '[notify]\nfrom = "s@example.org"\n[notify.relay]\nhost = "r"\nport = 25\nsecret_file = "f"',
            "user: is missing",
        ),
        ('[notify]\nfrom = "security"', "must be a mail address"),
        ('[notify]\nfrom = "a b@example.org"', "must be a mail address"),
        ('[notify]\nfrom = "s@example.org"\n[notify.relay]\nport = 25', "notify.relay.host: is missing"),
    ],
)
def test_letters_need_a_sender_a_way_and_no_clear_text(tmp_path: Path, tables: str, said: str) -> None:
    (problem,) = problems(tmp_path, tables)
    assert said in problem


def test_every_file_that_holds_a_secret_is_known_by_its_key() -> None:
    """Whoever checks their modes and owners must not forget one."""
    files = {name: Path(f"/etc/mailguard/{name}") for name in ("master", "directory", "relay")}
    settings = Settings(
        identity=Identity(ldap=IdentityLdap(bind_secret_file=files["directory"])),
        backend={"imap": Backend(master_secret_file=files["master"]), "submission": SubmissionBackend()},
        notify=Notify(relay=NotifyRelay(secret_file=files["relay"])),
    )
    assert dict(settings.secret_files()) == {
        "identity.ldap.bind_secret_file": files["directory"],
        "backend.imap.master_secret_file": files["master"],
        "notify.relay.secret_file": files["relay"],
    }
