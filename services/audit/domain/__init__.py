"""What audit decides, without any I/O."""
