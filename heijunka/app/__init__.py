"""What user code imports: applications, tasks, jobs."""

from heijunka.app.application import Heijunka
from heijunka.app.context import CurrentJob, current_job
from heijunka.app.default import default_app, task
from heijunka.app.enqueueable import AsyncTask, Enqueueable, Task
from heijunka.app.gate import Gate
from heijunka.app.job import Job
from heijunka.app.lease import Lease
from heijunka.app.loading import load_app
from heijunka.app.outgoing import Outgoing

__all__ = [
    "AsyncTask",
    "CurrentJob",
    "Enqueueable",
    "Gate",
    "Heijunka",
    "Job",
    "Lease",
    "Outgoing",
    "Task",
    "current_job",
    "default_app",
    "load_app",
    "task",
]
