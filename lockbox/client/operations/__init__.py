"""What can be asked of the services, described once for both clients: one file for each subject."""
