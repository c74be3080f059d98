"""What approval answers to HTTP calls: one file for each subject."""
