// The demo.
module "example.org/demo" // quoted

go 1.21.0

toolchain go1.22.3-custom

require example.org/single v1.2.3
require (
	example.org/direct v0.4.0 // a comment
	example.org/indirect v1.9.1 // indirect
	"example.org/quoted" v2.0.0+incompatible
	example.org/pseudo v0.0.0-20240102030405-0123456789ab
	example.org/forked v1.0.0
	example.org/local v1.0.0
	example.org/pinned v1.1.0
	example.org/other v1.5.0
)

replace example.org/forked => example.com/fork v1.0.1-fix

replace (
	example.org/local => ../local
	example.org/pinned v1.1.0 => example.org/pinned v1.0.9
	example.org/other v1.4.0 => example.org/other v1.3.0
)

exclude example.org/direct v0.3.0
retract [v1.0.0, v1.0.5] // bad
tool example.org/single/cmd
godebug default=go1.21
