"""Formats: one reader per on-disk layout, each recognised from the files."""

# Modules of this folder, in the order in which they look at a path.
LAYOUTS = (
    "lerobot", "native", "aloha", "robomimic", "libero", "isaaclab", "robosuite", "maniskill", "robotwin", "droid",
    "agibot", "robomind", "zarr", "lerobot_v1", "npz", "ros", "csv", "json",
)  # fmt: skip
# Files that may hold recordings.
SUFFIXES = (".hdf5", ".h5", ".npz", ".csv")
