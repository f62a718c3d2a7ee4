"""Inference with plans: sampling in three stages, selection between them, and the pool that keeps what was sampled."""
