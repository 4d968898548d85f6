"""Odd and damaged sources: what is wrong with them, and the times their frames get."""
