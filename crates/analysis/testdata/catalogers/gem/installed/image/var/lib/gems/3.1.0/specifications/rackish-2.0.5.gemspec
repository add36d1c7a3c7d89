# -*- encoding: utf-8 -*-
# stub: rackish 2.0.5 ruby lib

Gem::Specification.new do |s|
  s.name = "rackish".freeze
  s.version = "2.0.5"

  s.required_rubygems_version = Gem::Requirement.new(">= 0".freeze) if s.respond_to? :required_rubygems_version=
  s.require_paths = ["lib".freeze]
  s.authors = ["A Person".freeze, "B \"Quoted\" Person".freeze]
  s.date = "2018-04-23"
  s.description = "Says s.name = \"other\" in its text".freeze
  s.email = "person@example.org".freeze
  s.executables = ["rackup".freeze]
  s.files = ["bin/rackup".freeze, "lib/rackish.rb".freeze]
  s.homepage = "https://example.org/".freeze
  s.licenses = ["MIT".freeze, "Ruby".freeze]
  s.rubygems_version = "3.3.15".freeze
  s.add_runtime_dependency(%q<minitest>.freeze, ["~> 5.0"])
end
