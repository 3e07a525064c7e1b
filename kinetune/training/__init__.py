"""Training: data preparation, data sets, one training loop, one module per trainer."""
