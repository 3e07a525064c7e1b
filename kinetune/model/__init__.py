"""The generative model: VAE, conditional UNet, diffusion sampling, and the pipeline."""
