"""Columns of objects in Parquet, as the Hugging Face hub stores them."""
