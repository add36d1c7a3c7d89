package = "computed"
version = os.getenv("VERSION") or "1-1"
