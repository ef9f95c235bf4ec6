"""A guard to try out: the real one, before a mail store that lives in this process and forgets everything.

Needs the extra `mailguard[demo]`. Nothing outside this package imports pymap.
"""
