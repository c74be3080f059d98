"""All SQL of audit: one file for each thing that is stored."""
