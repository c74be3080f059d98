"""HTTP in, a command, HTTP out: one file for each thing that callers do."""
