"""The read models, made from the log alone."""
