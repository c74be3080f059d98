"""`make demo`: the whole story on real servers, told step by step."""
