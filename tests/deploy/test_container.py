"""The images and the compose file, as far as can be told without an engine to run them."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose

from mailguard import config
from mailguard.config import Settings
from tests.deploy.tools import DEPLOY, TIMEOUT, needed, said
from tests.repository.test_tree import TOP, tracked
from tests.support.certs import Issued

CONTAINER = DEPLOY / "container"
STORE = CONTAINER / "store"
DOCKERFILES = [CONTAINER / "Dockerfile", STORE / "Dockerfile"]
MADE_BY_HAND = {"./secrets/users"}
INSIDE = {"dovecot", "postfix"}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    read = yaml.safe_load((CONTAINER / "compose.yaml").read_text())
    assert isinstance(read, dict)
    return read


@pytest.fixture(scope="module")
def settings() -> Settings:
    return config.load(CONTAINER / "etc/config.toml")


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda file: file.parent.name)
def test_hadolint_has_nothing_to_say(dockerfile: Path) -> None:
    assert said(Path(sys.executable).parent / "hadolint", dockerfile) == ""


def test_the_compose_file_is_one(compose: Mapping[str, Any]) -> None:
    merged = yaml.safe_dump({key: value for key, value in compose.items() if not key.startswith("x-")})
    services = PyCompose.from_yaml(merged).to_spec().services
    assert services is not None
    assert set(services) == set(compose["services"])


def test_everything_that_it_names_is_there(compose: Mapping[str, Any]) -> None:
    files = {str(file.relative_to(CONTAINER)) for file in tracked("deploy/container")}
    kinds: dict[str, set[str]] = {"volumes": set(), "networks": set(), "secrets": set()}
    for service in compose["services"].values():
        if (build := service.get("build")) is not None:
            dockerfile = CONTAINER / build["context"] / build.get("dockerfile", "Dockerfile")
            assert dockerfile.is_file(), dockerfile
            if (target := build.get("target")) is not None:
                assert re.search(rf"^FROM .* AS {target}$", dockerfile.read_text(), re.MULTILINE), target
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            if not source.startswith("."):
                kinds["volumes"].add(source)
            elif source not in MADE_BY_HAND:
                assert any(file == source[2:] or file.startswith(f"{source[2:]}/") for file in files), source
        kinds["networks"] |= set(service.get("networks", ()))
        kinds["secrets"] |= set(service.get("secrets", ()))
    assert {kind: set(compose[kind]) for kind in kinds} == kinds
    assert {secret["file"] for secret in compose["secrets"].values()} == MADE_BY_HAND


def test_nobody_but_the_guard_reaches_the_store(compose: Mapping[str, Any]) -> None:
    services = compose["services"]
    assert {name for name, service in services.items() if service.get("ports")} == {"guard"}
    assert compose["networks"]["store"]["internal"] is True
    for name in INSIDE:
        others = set(services[name]["networks"]) - {"store"}
        assert not others & set(services["guard"]["networks"]), name


def test_each_of_them_may_do_little(compose: Mapping[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"]), name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "privileged" not in service, name
        assert name in INSIDE or "cap_add" not in service, name
        secret = re.compile("password|secret|key", re.IGNORECASE)
        assert not any(secret.search(variable) for variable in service.get("environment", ())), name


def test_the_guard_listens_where_ports_lead(compose: Mapping[str, Any], settings: Settings) -> None:
    inside = {str(port).split(":")[1] for port in compose["services"]["guard"]["ports"]}
    doors = [*(door.address for door in settings.listen), settings.portal.address]
    assert inside == {str(address).rpartition(":")[2] for address in doors}


def test_the_guard_asks_the_store_by_its_names(compose: Mapping[str, Any], settings: Settings) -> None:
    assert {backend.host for backend in settings.backend.values()} == INSIDE
    guard = compose["services"]["guard"]
    places = {volume.split(":")[1] for volume in guard["volumes"]}
    assert {str(Path(str(backend.ca)).parent) for backend in settings.backend.values()} <= places
    assert "/var/lib/mailguard" in places
    assert settings.store.url == "sqlite:////var/lib/mailguard/mailguard.db"
    for name in INSIDE:
        assert f"DNS:{name}" in str(compose["services"]["certificates"]["entrypoint"])


def test_the_store_knows_the_guard_by_its_address(compose: Mapping[str, Any]) -> None:
    address = compose["services"]["guard"]["networks"]["store"]["ipv4_address"]
    assert f"login_trusted_networks = {address}\n" in (STORE / "dovecot.conf").read_text()
    assert f"smtpd_client_event_limit_exceptions={address}\n" in (STORE / "master.cf").read_text()


def test_ready_is_asked_where_it_is_told(compose: Mapping[str, Any], settings: Settings) -> None:
    assert str(settings.observe.metrics) == "127.0.0.1:9464"
    asked = compose["services"]["guard"]["healthcheck"]["test"][-1]
    compile(asked, "healthcheck", "exec")
    assert "'http://127.0.0.1:9464/readyz'" in asked


def test_dovecot_understands_its_lines(tmp_path: Path, localhost: Issued) -> None:
    lines = (STORE / "dovecot.conf").read_text()
    lines = lines.replace("/run/store/certificate.pem", str(localhost.certificate))
    (tmp_path / "dovecot.conf").write_text(lines.replace("/run/store-key/key.pem", str(localhost.key)))
    told = said(needed("doveconf", "dovecot-core"), "-n", "-c", tmp_path / "dovecot.conf")
    assert "Warning" not in told
    assert "login_trusted_networks = 10.89.0.10" in told


def test_postfix_understands_its_lines() -> None:
    program = needed("postconf", "postfix")
    for words in (("-n",), ("-M",), ("-P",)):
        done = subprocess.run(
            [program, "-c", str(STORE), *words], capture_output=True, text=True, timeout=TIMEOUT, check=False
        )
        assert (done.returncode, done.stderr) == (0, ""), words


def test_its_door_is_that_of_the_page() -> None:
    page = (TOP / "docs/operators/postfix.md").read_text()
    told, ours = (set(re.findall(r"^ +-o (\S+)$", text, re.MULTILINE)) for text in (page, _master_cf()))
    alike = {option.split("=")[0]: option for option in told}
    differ = {option.split("=")[0] for option in ours if alike.get(option.split("=")[0]) != option}
    assert set(alike) == {option.split("=")[0] for option in ours}
    assert differ == {"smtpd_sasl_path", "smtpd_client_event_limit_exceptions"}


def _master_cf() -> str:
    return (STORE / "master.cf").read_text()
