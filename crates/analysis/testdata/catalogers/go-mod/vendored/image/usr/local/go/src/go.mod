module std

go 1.22

require golang.org/x/net v0.19.1 // indirect
