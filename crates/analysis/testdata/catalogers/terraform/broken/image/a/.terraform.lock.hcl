provider "x/y" {
  hashes = []
}
provider {
}
provider "hashicorp/null" { version = "3.2.1" }
other "a" { version = "1" }
