# -*- encoding: utf-8 -*-
# stub: bundled 2.3.26 ruby lib

Gem::Specification.new do |s|
  s.name = "bundled"
  s.version = Bundled::VERSION
  s.author = "Core"
  s.license = 'BSD-2-Clause'
  s.files = %w[lib/bundled.rb
               lib/bundled/version.rb]
end
