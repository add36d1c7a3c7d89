{application,kernel,[{description,"ERTS  CXC 138 10"},{vsn,"9.2"},{env,[{logger_level,notice},{net_tickintensity,4},{f,1.5},{c,$\n}]}]}.
