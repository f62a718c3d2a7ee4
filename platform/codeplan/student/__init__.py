"""The student: what it is trained on, whether it can be, the training loop, and generation.

tasks, examples, mixture, batches     problems and plans to prompts, token ids, a schedule and tensors
model, pretrained, architecture, ...  building, loading and saving a student
fitness, roundtrip, smoke_test        whether a student can learn from the data, checked before training
prepare                               the files that training starts from: the untrained student, its examples
loop, engine, checkpoint, throughput  training with DeepSpeed, in one process or many
context                               what the loop needs of its surroundings: rank, device, reports, checkpoints
generation, decoding, kv_cache, ...   sequences from prompts
"""
