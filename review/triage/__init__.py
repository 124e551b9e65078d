"""Which predictions a person must see, and with what probability."""
