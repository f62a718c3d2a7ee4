"""What the samples are worth: plan selection, pass@k, tables and figures."""
