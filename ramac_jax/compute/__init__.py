"""How an update is computed: micro-batches, data parallelism, random numbers."""
