"""A method is one declaration."""
