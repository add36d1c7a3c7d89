# stub: short
