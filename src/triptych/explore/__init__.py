"""Search and the report page."""
