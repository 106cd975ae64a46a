"""Checks that the live database still isolates its tenants and keeps its audit trail."""

from app.doctor.command import main
from app.doctor.examination import CHECKS, Check, Examination, Finding, examine

__all__ = ["CHECKS", "Check", "Examination", "Finding", "examine", "main"]
