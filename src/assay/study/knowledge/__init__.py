"""The knowledge study: what fine-tuning on facts that are known more or less well does to what a model knows."""
