"""Agents of other people's code, as their own main loops train them."""
