Gem::Specification.new do |s|
  s.name = "open"
  s.version = "1"
  s.authors = ["never", "closed
  s.files = ["../../../../../../../../etc/passwd", "lib/a.rb"]
