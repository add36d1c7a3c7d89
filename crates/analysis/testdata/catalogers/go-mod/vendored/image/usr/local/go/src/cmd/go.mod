module cmd

go 1.22

require golang.org/x/arch v0.6.0
