"""Topics, rights and lag: what is asked of Kafka beside reading and writing."""
