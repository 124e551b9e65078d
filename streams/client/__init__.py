"""What a producer imports: send predictions and labels, read verdicts."""
