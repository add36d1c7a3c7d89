# stub: native 1.8.0 x86_64-linux lib

Gem::Specification.new do |s|
  s.name = "native".freeze
  s.version = Gem::Version.new("1.8.0")
  s.platform = "x86_64-linux".freeze
  s.files = ["lib/native.so"]
end
