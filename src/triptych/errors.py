"""The errors a user is meant to read: one line that says what, where, why and what to do."""

import os


class UserError(Exception):
    """Something the user can mend. Printed without a traceback; exit status 1."""


class UsageError(UserError):
    """The command itself is wrong: an unknown key, a missing argument. Exit status 2."""


def of_system(error: OSError) -> str | None:
    """What the system says, as of a full disk, behind the file where it names one; None if mute."""
    if not error.strerror or error.filename is None:
        return error.strerror
    return f"{os.fsdecode(error.filename)}: {error.strerror}"
