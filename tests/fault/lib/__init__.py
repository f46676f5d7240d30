"""What scenarios of faults are written with; see ../README.md."""
