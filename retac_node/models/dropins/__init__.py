"""Head models that a user may have files of, and how each is read: `files(folder)` and `read(folder)`.

Never fetches them: their makers give them to people who accept their terms.
"""

from retac_node.models.dropins import bfm, flame, ict

FORMATS = {"bfm": bfm, "flame": flame, "ict": ict}
