module example.org/vendored

go 1.17

require example.org/other v1.0.0
