package = "cut"
version = "1-1
