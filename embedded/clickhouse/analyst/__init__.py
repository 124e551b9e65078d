"""What the user ``analyst`` may ask: lists of names, and the tree of a statement held against them."""
