"""Mail as it is written and handed in, for every service that sends some."""
