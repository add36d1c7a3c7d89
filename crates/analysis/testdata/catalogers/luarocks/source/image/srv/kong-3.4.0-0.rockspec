-- The release is named once.
local package_name = "Kong"
local package_version = [[3.4.0]]
local rockspec_revision = "0"
package = package_name
version = package_version .. "-" .. rockspec_revision
rockspec_format = "3.0"
supported_platforms = {"linux", "macosx"}
--[==[
version = "0-0"
]==]
description = {
  summary = "A scalable API gateway",
  license = "Apache 2.0",
}
dependencies = {
  "luasocket == 3.0-rc1";
  "penlight == 1.13.1",
}
