"""What the end of a string says, and the password that is left of it."""

import pyotp
import pytest

from mailguard.auth import credential
from mailguard.auth.accounts import TotpDevice
from mailguard.auth.attempt import CodeReading
from mailguard.auth.reading import read_code
from mailguard.config.choices import CodeWindow
from mailguard.secret import Secret

NOW = 1_700_000_010.0
SEED = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
SIX = TotpDevice("six", "ann", "phone", Secret(SEED.encode()))
EIGHT = TotpDevice("eight", "ann", "token", Secret(b"JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"), digits=8)
CODE = pyotp.TOTP(SEED).at(int(NOW))
WRONG = f"{(int(CODE) + 500_000) % 1_000_000:06}"


@pytest.mark.parametrize(
    ("string", "devices", "compares", "reading", "password"),
    [
        pytest.param(f"hunter2{CODE}", (), True, CodeReading.NONE, f"hunter2{CODE}", id="nothing to read it against"),
        pytest.param("hunter2", (SIX,), True, CodeReading.MISSING, "hunter2", id="no code at all"),
        pytest.param(f"hunter{CODE}", (SIX,), True, CodeReading.RIGHT, "hunter", id="a code"),
        pytest.param(f"hunter{CODE}", (EIGHT, SIX), True, CodeReading.RIGHT, "hunter", id="of the second one"),
        pytest.param(f"hunter{WRONG}", (SIX,), True, CodeReading.WRONG, "hunter", id="another code"),
        pytest.param(f"hunter{WRONG}", (SIX, EIGHT), True, CodeReading.WRONG, "hunter", id="too short for the other"),
        pytest.param(f"hunter12{WRONG}", (SIX, EIGHT), True, CodeReading.AMBIGUOUS, "hunter12", id="two ways to split"),
        pytest.param(f"hunter{CODE}", (SIX,), False, CodeReading.HELD, "hunter", id="a code that is not looked at"),
    ],
)
def test_what_the_end_says(
    string: str, devices: tuple[TotpDevice, ...], compares: bool, reading: CodeReading, password: str
) -> None:
    offered = credential.read(Secret(string.encode()))
    read, step, left = read_code(offered, devices, NOW, CodeWindow.NONE, passkeys=bool(devices), compares=compares)
    assert (read, left.reveal().decode()) == (reading, password)
    assert (step is None) is (reading is not CodeReading.RIGHT)
    if step is not None:
        assert (step.device, step.step) == (SIX, int(NOW) // 30)


def test_where_there_are_passkeys_alone_no_end_says_anything() -> None:
    offered = credential.read(Secret(f"hunter{CODE}".encode()))
    found = read_code(offered, (), NOW, CodeWindow.NONE, passkeys=True, compares=True)
    assert found == (CodeReading.BARRED, None, offered.string)
