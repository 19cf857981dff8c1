"""Robots by name: profiles of their joints, their places in the unified vector, and masks made from both."""

from ate.data.robots.embodiment import GRIPPER, Embodiment
from ate.data.robots.masks import Oddity, check_mask, mask
from ate.data.robots.profile import Joint, Profile, available, profile
from ate.data.robots.roles import Role, roles
from ate.data.robots.unified import RDT_WIDTH, embodiment, slot, slot_name, unify

__all__ = [
    "GRIPPER",
    "RDT_WIDTH",
    "Embodiment",
    "Joint",
    "Oddity",
    "Profile",
    "Role",
    "available",
    "check_mask",
    "embodiment",
    "mask",
    "profile",
    "roles",
    "slot",
    "slot_name",
    "unify",
]
