module example.org/app

go 1.22

require (
	example.org/vendored v1.2.3
	example.org/unused v0.1.0
)
