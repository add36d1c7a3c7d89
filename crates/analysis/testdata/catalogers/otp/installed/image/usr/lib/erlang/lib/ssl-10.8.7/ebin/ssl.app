%%
%% %CopyrightBegin%
%%
{application, ssl,
   [{description, "Erlang/OTP SSL application"},
    {vsn, "10.8.7"},
    {modules, [
	       %% TLS/SSL
	       tls_connection,
	       'tls_connection_1_3'
	       ]},
    {registered, [ssl_sup, ssl_manager]},
    {applications, [crypto, public_key, kernel, stdlib]},
    {env, []},
    {mod, {ssl_app, []}}]}.
