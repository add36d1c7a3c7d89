{application,phoenix,
    [{modules,['Elixir.Mix.Phoenix','Elixir.Phoenix']},
     {licenses,["MIT"]},
     {vsn,"1.7.10"},
     {description,"Peace of mind from prototype to production\n"}]}.
