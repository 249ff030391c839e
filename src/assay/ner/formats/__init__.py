"""Readers and writers of annotated corpora: one format a file."""
