"""Inference with plans: plan sampling in three phases, selection, and the pools of samples and verdicts."""
