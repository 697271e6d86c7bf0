"""What workers need, imported once for all of them; nothing is computed here."""

import simulator.engine.workers
import simulator.schemes.experiment  # noqa: F401
from channels.streams import sionna_phy

sionna_phy()
