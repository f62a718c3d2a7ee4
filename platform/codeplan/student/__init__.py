"""The student: tasks, batches, the training loop and generation."""
