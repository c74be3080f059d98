"""The SQL of this service, nothing else: one file for each thing that its tables hold."""
