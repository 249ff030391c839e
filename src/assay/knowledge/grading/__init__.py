"""A model asked for facts under every template: how well it knows each, kept fact by fact.

- `grade`: which facts are left to ask for, batch by batch; `asking`: what is asked, and what the answers come to;
- `folder`: the facts that are there, on disk; `grades`: `Grades`, arrays of them.
"""

from assay.knowledge.grading.folder import FILES
from assay.knowledge.grading.grade import check_settings, grade
from assay.knowledge.grading.grades import Grades, read_grades

__all__ = ["FILES", "Grades", "check_settings", "grade", "read_grades"]
