provider "x/y" {
