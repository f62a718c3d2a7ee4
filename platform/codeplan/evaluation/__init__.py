"""Evaluation of the sampled programs: solve rates per arm, pass@k, comparisons, tables and figures."""
