"""What a fitted model and data say beyond the fit: goodness of fit, residuals, and analyses that take a latent class further."""
