"""What the services answer, as frozen dataclasses: one file for each subject."""
