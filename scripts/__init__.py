"""Programs for those who change Lockbox."""
