"""LEARN: labels and corrections in; gate steps and signed snapshots out."""
