from tests.auth.conftest import ring

__all__ = ["ring"]
