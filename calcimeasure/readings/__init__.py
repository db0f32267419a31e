"""What people made of films: labels, findings, links, history, signature, autosave."""

from calcimeasure.readings.board import Board, Edit, HandLink, Which
from calcimeasure.readings.history import History

__all__ = ["Board", "Edit", "HandLink", "History", "Which"]
