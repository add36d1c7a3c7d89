curl -H "Authorization: Basic Y2k6VHIwdWI0ZG9yLTl4" http://x
