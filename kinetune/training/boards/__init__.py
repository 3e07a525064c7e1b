"""Where the curves and samples of a training run can be watched, beside TensorBoard."""
