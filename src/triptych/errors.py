"""The errors a user is meant to read: one line that says what, where, why and what to do."""


class UserError(Exception):
    """Something the user can mend. Printed without a traceback; exit status 1."""


class UsageError(UserError):
    """The command itself is wrong: an unknown key, a missing argument. Exit status 2."""
