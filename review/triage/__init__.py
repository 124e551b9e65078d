"""Which predictions a person must see, and with which chance."""
