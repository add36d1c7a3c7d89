create index subscription_key on subscription (account, key);
