"""Runs that are done: found by folder, fingerprint, id or name, and read as Arrow tables."""
