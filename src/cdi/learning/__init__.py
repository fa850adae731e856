"""What is learnt from the landing: the weights of links, and the model that reads logs."""
