{application, 'cowboy', [
	{description, "Small, fast, modern HTTP server."},
	{vsn, "2.10.0"},
	{modules, ['cowboy','cowboy_app']},
	{registered, [cowboy_sup,cowboy_clock]},
	{applications, [kernel,stdlib,crypto,cowlib,ranch]},
	{optional_applications, []},
	{mod, {cowboy_app, []}},
	{env, []}
]}.
