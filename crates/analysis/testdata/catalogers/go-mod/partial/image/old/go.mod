module example.org/old
go 1.16
require(
	example.org/direct v0.4.0
	example.org/nosum v0.1.0
)
