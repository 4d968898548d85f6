"""What is odd or damaged about a source, and the times its frames get."""
