-- Who began it: whom a role narrows goes on with no import but their own.
alter table import_operation add column created_by text;
