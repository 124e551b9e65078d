"""What the embedded Kafka is made of: jars, nodes, and that nothing outlives the program."""
