# -*- encoding: utf-8 -*-
# stub: nokogirish 1.13.10 x86_64-linux lib

Gem::Specification.new do |s|
  s.name = "nokogirish".freeze
  s.version = "1.13.10"
  s.platform = "x86_64-linux".freeze

  s.required_rubygems_version = Gem::Requirement.new(">= 0".freeze) if s.respond_to? :required_rubygems_version=
  s.require_paths = ["lib".freeze]
  s.authors = ["A. Author".freeze]
  s.date = "2026-11-28"
  s.homepage = "https://example.org/nokogirish".freeze
  s.licenses = ["MIT".freeze]
  s.rubygems_version = "3.3.15".freeze
  s.summary = "x".freeze

  s.installed_by_version = "3.3.15" if s.respond_to? :installed_by_version
end
