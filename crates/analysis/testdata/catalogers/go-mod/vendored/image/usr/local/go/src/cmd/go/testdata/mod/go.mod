module x

go 1.22

require example.org/testdata v1.0.0
