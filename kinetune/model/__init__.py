"""How a dance becomes music: VAE, conditional UNet, diffusion, windows, one pipeline."""
