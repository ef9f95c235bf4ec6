"""Dropping from root; everything else of the supervisor is shown with real processes in tests/e2e/."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import mailguard

BECOME = """
import sys
sys.path.insert(0, sys.argv[1])
from mailguard.config import ConfigError
from mailguard.supervisor.users import User
try:
    User.of("server.user", sys.argv[2]).become()
except ConfigError as refused:
    sys.exit(str(refused))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize(
    ("user", "said"), [("nobody", "may not read"), ("no-such-user-here", "there is no user 'no-such-user-here'")]
)
def test_a_user_who_cannot_serve_is_refused_with_a_remedy(tmp_path: Path, user: str, said: str) -> None:
    private = tmp_path / "private"
    shutil.copytree(Path(mailguard.__file__).parent, private / "mailguard")
    private.chmod(0o700)
    done = subprocess.run(
        [sys.executable, "-c", BECOME, str(private), user], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, said in done.stderr) == (1, True), done.stderr
