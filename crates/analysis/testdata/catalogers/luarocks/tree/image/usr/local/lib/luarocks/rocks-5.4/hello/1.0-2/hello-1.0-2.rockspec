package = "Hello"
version = "1.0-2"
source = { url = "git+https://example.org/hello.git", tag = "v1.0" }
description = { summary = "x", license = "MIT", maintainer = 'Some One' }
dependencies = { "lua >= 5.1" }
build = { type = "builtin", modules = { hello = "hello.lua" } }
