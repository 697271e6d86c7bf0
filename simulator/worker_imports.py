"""What workers need, imported once for all of them; nothing is computed here."""

import simulator.schemes
import simulator.workers  # noqa: F401
from channels.streams import sionna_phy

sionna_phy()
