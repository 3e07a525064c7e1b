"""Fine-tuning of a trained model with low-rank adapters."""
