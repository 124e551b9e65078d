"""The embedded Kafka: its jars, its Java, its nodes."""
