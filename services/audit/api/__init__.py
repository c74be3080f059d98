"""The HTTP side of audit, one file a subject."""
