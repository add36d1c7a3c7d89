{application, erts,
 [
  {description, "ERTS  CXC 138 10"},
  {vsn, "13.1.5"},
  {modules, [erl_init, prim_file]},
  {registered, []},
  {applications, []},
  {env, []},
  {mod, {erts, []}},
  {runtime_dependencies, ["stdlib-4.1", "kernel-8.5"]}
 ]}.
