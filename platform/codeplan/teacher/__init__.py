"""The teacher: prompts, the client, the cache of paid answers, and the offline teacher."""
