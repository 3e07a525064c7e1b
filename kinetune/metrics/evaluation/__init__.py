"""From folders of music and dances to tables, intervals and pictures."""
