"""The record of a finished result: from what a job knows to what evidence/ writes."""
