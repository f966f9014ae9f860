"""The page's files, with a server and without one."""
