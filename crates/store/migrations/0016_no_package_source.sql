drop index package_source;
