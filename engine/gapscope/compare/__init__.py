"""Which images does the other dataset lack, and how sure is that?"""
