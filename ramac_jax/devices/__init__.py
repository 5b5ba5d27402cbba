"""The machine: devices, hosts and their memory."""
