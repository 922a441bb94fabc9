"""Many jobs: a limit on those in progress, and the runner of one job."""

from .batch import Batch as Batch
from .budget import Rate as Rate
from .check import Finding as Finding
from .job import BatchEvent as BatchEvent
from .job import Job as Job
from .job import Outcome as Outcome

for _item in (Batch, BatchEvent, Finding, Job, Outcome, Rate):
    _item.__module__ = "heygen_async"  # where they are public
