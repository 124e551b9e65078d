"""How messages travel: Kafka's topics consumed, produced and kept, and every encoding of predictions read."""
