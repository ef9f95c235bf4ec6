"""What people do in the portal, step by step, whichever way they work a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.guard import Person

if TYPE_CHECKING:
    from tests.browser.hands import Hand
    from tests.e2e.stack import User


async def first_page(hand: Hand, user: User) -> None:
    """Address and password."""
    await hand.page.goto("/sign-in")
    await fill_first_page(hand, user)


async def fill_first_page(hand: Hand, user: User) -> None:
    """The same where it is open."""
    await hand.fill("Mail address", user.name)
    await hand.fill("Password", user.password)
    await hand.press("Continue")


async def sign_in(hand: Hand, user: User, second: str) -> None:
    """Both pages."""
    await first_page(hand, user)
    await hand.fill("Code", second)
    await hand.press("Sign in")


async def come_in(hand: Hand, who: Person) -> None:
    """With the code of now."""
    await sign_in(hand, who.user, who.code())
    await hand.page.get_by_role("button", name="Sign out").wait_for()


async def bind(hand: Hand, user: User) -> Person:
    """From a bare password to an authenticator. It uses up the step before the present one."""
    await sign_in(hand, user, "")
    await hand.fill("What to call this phone", "Fairphone")
    await hand.press("Continue")
    key = (await hand.page.locator("#key").text_content() or "").replace(" ", "")
    who = Person(user, key, "")
    await hand.fill("Code that the app shows now", who.code(-1))
    await hand.press("Confirm")
    return who


async def set_up(hand: Hand, user: User) -> tuple[Person, list[str]]:
    """The whole flow; who that is then, and their recovery codes."""
    who = await bind(hand, user)
    codes = await recovery_codes(hand)
    await hand.fill("Mail address elsewhere", "ann@home.example")
    await hand.press("Add and continue")
    return who, codes


async def recovery_codes(hand: Hand) -> list[str]:
    """From the page that offers them: the codes that it shows."""
    await hand.press("Show my recovery codes")
    shown = hand.page.locator("#codes code")
    await shown.first.wait_for()
    codes = [code.strip() for code in await shown.all_text_contents()]
    await hand.tick("I have written down, printed or saved these codes.")
    await hand.press("Continue")
    return codes


async def add_device(hand: Hand, user: User, program: str, label: str) -> str:
    """An app password for a program, as the page shows it."""
    await hand.follow("Add a device")
    await hand.follow(program)
    await hand.fill("Name of the device", label)
    await hand.fill("Your mail password", user.password)
    await hand.press("Make the app password")
    return (await hand.page.locator("#app-password").text_content() or "").strip()


async def claimed(hand: Hand, who: Person, link: str) -> str:
    """The app password behind an administrator's link, which asks to sign in first."""
    await hand.page.goto(link)
    await fill_first_page(hand, who.user)
    await hand.fill("Code", who.code())
    await hand.press("Sign in")
    await hand.fill("Your mail password", who.user.password)
    await hand.press("Make the app password")
    return (await hand.page.locator("#app-password").text_content() or "").strip()
