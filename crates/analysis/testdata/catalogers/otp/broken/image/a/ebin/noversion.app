{application, noversion, [{vsn, git}]}.
