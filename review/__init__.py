"""Who must look at a prediction, what people said of it, and how accurate the model is by that."""
