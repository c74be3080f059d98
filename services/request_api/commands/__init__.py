"""Commands: each reads, decides and writes in one transaction, and answers after its commit."""
