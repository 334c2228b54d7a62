"""One self-contained HTML page about a run: success rates, curves, videos, attention, parameters, time, commands."""

from polymath.evaluation.report.data import AttentionPicture, Curves, ReportData, Stage, Video
from polymath.evaluation.report.page import render_report, write_report

__all__ = ["AttentionPicture", "Curves", "ReportData", "Stage", "Video", "render_report", "write_report"]
