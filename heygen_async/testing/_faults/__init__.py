"""What the simulated service does wrong, and when."""

from . import answers as answers
from . import refusals as refusals
from . import sessions as sessions
from . import webhooks as webhooks
