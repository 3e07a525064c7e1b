"""How a latent is denoised: windows, loops, inpainting, what windows share."""
