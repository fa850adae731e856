"""What is learnt from the landing: weights of links, and the model that reads logs."""
