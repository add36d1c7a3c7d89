{application,elixir,
             [{description,"elixir"},
              {vsn,"1.14.0"},
              {modules,['Elixir.Access',elixir]},
              {registered,[elixir_config,elixir_sup]},
              {applications,[kernel,stdlib,compiler]},
              {mod,{elixir,[]}},
              {env,[{ansi_syntax_colors,[{atom,cyan}]},{time_zone_database,'Elixir.Calendar.UTCOnlyTimeZoneDatabase'}]}]}.
