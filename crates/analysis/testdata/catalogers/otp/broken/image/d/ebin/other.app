{something, else, []}.
