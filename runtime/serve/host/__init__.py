"""The process around it: sockets, admission, logs, shutdown."""
