{application, cut, [{vsn, "1
