"""What approval decides: state, command and time in; facts out, or a refusal. No I/O, no clock, no randomness."""
