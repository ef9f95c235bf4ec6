"""What owners and thieves try, one at a time and at once."""

from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from mailguard.auth.attempt import MailProtocol, Origin
from tests.life.machine import (
    AWAY6,
    HOME,
    SOON,
    Coming,
    Life,
    any_,
    comings,
    offsets,
    origins,
    processes,
    troubles,
    when,
)
from tests.life.model import AppPassword as Known
from tests.life.model import Model
from tests.store.words import ANN, OPERATOR, sql

agains = st.lists(st.tuples(st.sampled_from(SOON), comings, st.booleans()), max_size=4)


class Attempts(Life):
    """What owners and thieves try, one at a time and at once."""

    @rule(process=processes, origin=origins, protocol=st.sampled_from(MailProtocol), trouble=troubles, which=any_)
    @when(lambda self: self.model.app_passwords)
    def app_password_by_mail(
        self, process: int, origin: Origin, protocol: MailProtocol, trouble: str, which: int
    ) -> None:
        it = self.model.app_passwords[which % len(self.model.app_passwords)]
        self.attempt(process, self.told(it.secret, origin, protocol=protocol, trouble=trouble))

    @rule(
        at=comings,
        which=any_,
        offset=offsets,
        again=agains,
    )
    @when(lambda self: self.model.devices)
    def mail_programs_day(self, at: Coming, which: int, offset: int, again: list[tuple[float, Coming, bool]]) -> None:
        """A string with a code, and the same string again: from here and elsewhere, soon and late."""
        string = self.with_code(which, offset)
        self.comes(at, string)
        for seconds, coming, leaves in again:
            self.what_was_ended_is_known_to_have_ended()
            if leaves:
                self.everybody_leaves()
            self.hands.at += seconds
            self.comes(coming, string)

    def comes(self, at: Coming, string: str) -> None:
        self.attempt(at.process, self.told(string, at.origin, trouble=at.trouble, leg=at.leg))

    @rule(process=processes, origin=origins, trouble=troubles, which=any_)
    @when(lambda self: self.model.grants)
    def same_string_again(self, process: int, origin: Origin, trouble: str, which: int) -> None:
        string = self.model.grants[-1 - which % min(3, len(self.model.grants))].string
        self.attempt(process, self.told(string, origin, trouble=trouble))

    @rule(process=processes, origin=origins, trouble=troubles)
    def bare_password_by_mail(self, process: int, origin: Origin, trouble: str) -> None:
        self.attempt(process, self.told(self.model.password, origin, trouble=trouble))

    @rule(process=processes, origin=origins, wrong=st.integers(0, 999_999), at_all=st.booleans())
    def guess_by_mail(self, process: int, origin: Origin, wrong: int, at_all: bool) -> None:
        password = self.model.password if at_all else "wrong horse"
        self.attempt(process, self.told(f"{password}{wrong:06}", origin))

    @rule(process=processes, origin=origins, which=any_)
    @when(lambda self: self.model.codes)
    def one_time_code_by_mail(self, process: int, origin: Origin, which: int) -> None:
        text = self.model.codes[which % len(self.model.codes)].text
        self.attempt(process, self.told(self.model.password + text, origin))

    @rule(process=processes, origin=origins, trouble=troubles)
    def sign_in_by_password(self, process: int, origin: Origin, trouble: str) -> None:
        self.attempt(process, self.told(self.model.password, origin, second="", trouble=trouble))

    @rule(process=processes, origin=origins, trouble=troubles, which=any_, offset=offsets)
    @when(lambda self: self.model.devices)
    def sign_in_by_code(self, process: int, origin: Origin, trouble: str, which: int, offset: int) -> None:
        code = self.with_code(which, offset)[-6:]
        self.attempt(process, self.told(self.model.password, origin, second=code, trouble=trouble))

    @rule(process=processes, origin=origins, trouble=troubles, which=any_, right=st.sampled_from([True, True, False]))
    @when(lambda self: self.model.codes)
    def sign_in_by_one_time_code(self, process: int, origin: Origin, trouble: str, which: int, right: bool) -> None:
        code = self.model.codes[-1 - which % min(4, len(self.model.codes))]
        password = self.model.password if right else "wrong horse"
        self.attempt(process, self.told(password, origin, second=code.text, trouble=trouble))

    def strings_are_tried(self) -> None:
        for string in dict.fromkeys(grant.string for grant in self.model.grants[-2:]):
            self.attempt(1, self.told(string, HOME))

    def use(self, it: Known) -> None:
        """From where it may be used."""
        self.attempt(0, self.told(it.secret, AWAY6 if it.network == AWAY6.network else HOME))

    def everything_is_tried(self) -> None:
        """Each kind of credential that was there, as its owner or a thief would."""
        for it in self.usable_app_passwords[:2]:
            self.use(it)
        self.strings_are_tried()
        for code in self.model.codes[-1:]:
            self.attempt(0, self.told(self.model.password, HOME, second=code.text))
        if self.model.devices:
            self.attempt(1, self.told(self.with_code(0, 0), HOME))
        self.attempt(0, self.told(self.model.password, HOME))
        self.attempt(1, self.told(self.model.password, HOME, second=""))

    @rule(origins=st.tuples(origins, origins), which=any_, offset=offsets, form=st.booleans())
    @when(lambda self: self.model.devices)
    def one_code_twice_at_once(self, origins: tuple[Origin, Origin], which: int, offset: int, form: bool) -> None:
        string = self.with_code(which, offset)
        first = self.told(string, origins[0])
        code = {"typed": self.model.password, "second": string[-6:]}
        self.race(first, self.told(origin=origins[1], **(code if form else {"typed": string})))

    @rule(origins=st.tuples(origins, origins), which=any_)
    @when(lambda self: self.model.codes)
    def one_time_code_twice_at_once(self, origins: tuple[Origin, Origin], which: int) -> None:
        code = self.model.codes[-1 - which % min(4, len(self.model.codes))]
        self.race(*(self.told(self.model.password, origin, second=code.text) for origin in origins))

    @rule(origin=origins, which=any_, offset=offsets, end=st.sampled_from(["suspend", "reset", "password", "unbind"]))
    @when(lambda self: self.model.exists and self.model.devices)
    def code_while_it_ends(self, origin: Origin, which: int, offset: int, end: str) -> None:
        told, device = self.told(self.with_code(which, offset), origin), self.device(which)
        match end:
            case "suspend":
                self.race_with(told, lambda: self.store.accounts.suspend(ANN, actor=OPERATOR), Model.suspend)
            case "reset":
                self.race_with(
                    told,
                    lambda: self.store.devices.reset(ANN, actor=OPERATOR),
                    lambda model: model.reset(app_passwords_too=False, factor_required=True),
                )
            case "password":
                new = self.new_password()
                ((before,),) = sql(self.database, "SELECT coalesce(max(seq), 0) FROM revocations")
                assert isinstance(before, int)
                changing = replace(told, before=before)
                self.race_with(changing, self.password_set, lambda model: model.change_password(new))
            case _:
                self.race_with(
                    told,
                    lambda: self.store.devices.remove(ANN, device.id, actor=OPERATOR),
                    lambda model: model.unbind(next(each for each in model.devices if each.id == device.id)),
                )

    @rule(origin=origins, which=any_)
    @when(lambda self: self.usable_app_passwords)
    def app_password_while_it_is_revoked(self, origin: Origin, which: int) -> None:
        usable = self.usable_app_passwords
        it = usable[which % len(usable)]
        self.race_with(
            self.told(it.secret, origin),
            lambda: self.store.app_passwords.revoke(ANN, it.id, actor=OPERATOR),
            lambda model: model.revoke(it.id),
        )

    def new_password(self) -> str:
        new = f"correct horse {len(self.secrets)} battery"
        self.secrets.add(new)
        return new

    def password_set(self) -> Coroutine[Any, Any, None]:
        return self.store.passwords.set(ANN, "$argon2id$of it", actor=OPERATOR, needs_factor=False)
