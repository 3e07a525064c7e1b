"""Any humanoid skeleton to the 24 joints used here."""
