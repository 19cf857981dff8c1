"""Robots by name: profiles of their joints, their places in the unified vector, and masks made from both."""

from ate.robots.embodiment import GRIPPER, Embodiment
from ate.robots.profile import Joint, Profile, available, profile
from ate.robots.roles import Role, roles
from ate.robots.slot_masks import Oddity, check_slot_mask, slot_mask
from ate.robots.slots import RDT_WIDTH, embodiment, slot, slot_name, unify

__all__ = [
    "GRIPPER",
    "RDT_WIDTH",
    "Embodiment",
    "Joint",
    "Oddity",
    "Profile",
    "Role",
    "available",
    "check_slot_mask",
    "embodiment",
    "profile",
    "roles",
    "slot",
    "slot_mask",
    "slot_name",
    "unify",
]
