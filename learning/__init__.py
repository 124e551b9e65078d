"""What the model learns: members, their stack, the gate between it and production, and signed snapshots."""
