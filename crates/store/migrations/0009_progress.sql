-- How far whoever works on a task is, as JSON, and the tasks of an image.
alter table task add column progress text;
create index task_image on task (account, image, id);
