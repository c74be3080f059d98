"""Decisions: what is known, a command and an instant in; event data or a typed refusal out. No I/O, no clock, no randomness."""
