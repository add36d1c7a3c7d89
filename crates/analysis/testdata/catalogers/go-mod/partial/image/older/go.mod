module example.org/older

require example.org/alone v1.0.0
