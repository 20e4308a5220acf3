"""Model files made smaller and faster, with what that costs said."""
