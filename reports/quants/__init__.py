"""What quantization costs and gains, and what token limits do to scores: of our sessions and of published results."""
