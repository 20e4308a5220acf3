"""What is found out about a model, for people: sentences, a page with charts, a model card."""
