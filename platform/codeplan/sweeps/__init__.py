"""Sweeps: a search space over the configuration, its trials, which share stages, and what they show together."""
