"""Sign-ins and answers of the portal, as monitoring sees them."""

from __future__ import annotations

from mailguard.auth.attempt import Factor, Reason
from mailguard.observe.families import GRANTED, NO_FACTOR, REQUESTS, SIGN_INS
from tests.web.conftest import Portal, sign_in


async def test_each_sign_in_counts_by_what_came_of_it_and_each_answer_by_its_class(portal: Portal) -> None:
    await portal.enrol()
    browser = portal.browser()
    assert portal._served is not None
    meter = portal._served[0].house.meter
    await sign_in(browser, portal.digits(), password="wrong")
    assert (meter.read(SIGN_INS, Reason.WRONG_PASSWORD, NO_FACTOR), meter.read(REQUESTS, "4xx")) == (1, 1)
    await sign_in(browser, portal.digits())
    assert meter.read(SIGN_INS, GRANTED, Factor.CODE) == 1
    before = meter.read(REQUESTS, "4xx")
    assert (await browser.get("/no-such-page")).status == 404
    assert meter.read(REQUESTS, "4xx") == before + 1
    assert meter.read(REQUESTS, "2xx") > 0
