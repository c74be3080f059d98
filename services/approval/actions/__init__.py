"""What people change of their realm: one class for each action, one file for each subject."""
