"""Imports that all workers need, done once; nothing is computed here."""

import simulator.engine.workers
import simulator.schemes.experiment  # noqa: F401
from channels.streams import sionna_phy

sionna_phy()
