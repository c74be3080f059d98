"""Everything behind `lockbox up`: real servers and the five services, supervised, on the loopback alone."""
