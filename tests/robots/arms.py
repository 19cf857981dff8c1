"""Robots written out for tests: URDF text of any chain, and a forward kinematics of URDFs that shares no code."""

from xml.etree import ElementTree

import numpy as np
from scipy.spatial.transform import Rotation

from ate.robots.kinematic_table import robot


def joint(name, parent, child, kind="revolute", xyz=(0, 0, 0), rpy=(0, 0, 0), axis=(0, 0, 1), limit=None, mimic=""):
    ends = (
        "" if limit is None else f'<limit lower="{limit[0]!r}" upper="{limit[1]!r}" velocity="{limit[2]}" effort="1"/>'
    )
    return (
        f'<joint name="{name}" type="{kind}"><parent link="{parent}"/><child link="{child}"/>'
        f'<origin xyz="{_numbers(xyz)}" rpy="{_numbers(rpy)}"/><axis xyz="{_numbers(axis)}"/>{ends}{mimic}</joint>'
    )


def _numbers(values):
    return " ".join(repr(float(value)) for value in values)


def urdf(*joints, name="arm"):
    names = dict.fromkeys(
        element.find(end).get("link") for text in joints for element in [ElementTree.fromstring(text)]
        for end in ("parent", "child")
    )  # fmt: skip
    links = "".join(
        f'<link name="{link}"><inertial><mass value="1"/></inertial><visual><geometry><mesh filename="no/{link}.dae"/>'
        "</geometry></visual></link>" for link in names
    )  # fmt: skip
    return f'<?xml version="1.0"?><robot name="{name}">{links}{"".join(joints)}<gazebo reference="x"/></robot>'


def exported(name):
    """A built-in robot as URDF: roll, pitch and yaw of every frame of its table."""
    arm = robot(name)
    joints = []
    for i, (frame, (low, high)) in enumerate(zip(arm.frames, arm.limits, strict=True)):
        place = {"xyz": frame[:3, 3], "rpy": _angles(frame[:3, :3])}
        limit = (float(low), float(high), 2.0)
        joints.append(joint(arm.joint_names[i], f"link{i}", f"link{i + 1}", **place, limit=limit))
    tool = arm.flange.copy()
    tool[:3, 3] += 0.105 * tool[:3, 2]
    joints.append(joint("mount", f"link{arm.joints}", "tool0", "fixed", tool[:3, 3], _angles(tool[:3, :3])))
    return urdf(*joints, name=f"{name}_exported")


def _angles(matrix):
    return Rotation.from_matrix(matrix).as_euler("xyz")


def urdf_pose(text, link, values):
    """Pose (4, 4) of a link, for values by joint name, by walking up the URDF's origins."""
    root = ElementTree.fromstring(text)
    above = {j.find("child").get("link"): j for j in root.iterfind("joint")}
    pose = np.eye(4)
    while link in above:
        element = above[link]
        pose = _origin(element) @ _motion(element, values) @ pose
        link = element.find("parent").get("link")
    return pose


def _origin(element):
    roll, pitch, yaw = _three(element, "origin", "rpy", "0 0 0")
    pose = np.eye(4)
    pose[:3, :3] = about((0, 0, 1), yaw) @ about((0, 1, 0), pitch) @ about((1, 0, 0), roll)
    pose[:3, 3] = _three(element, "origin", "xyz", "0 0 0")
    return pose


def _three(element, child, name, default):
    found = element.find(child)
    return [float(x) for x in (default if found is None else found.get(name, default)).split()]


def _motion(element, values):
    pose, kind = np.eye(4), element.get("type")
    if kind == "fixed":
        return pose
    axis = np.array(_three(element, "axis", "xyz", "1 0 0"))
    axis = axis / np.linalg.norm(axis)
    mimic = element.find("mimic")
    if mimic is None:
        value = values[element.get("name")]
    else:
        value = float(mimic.get("multiplier", 1)) * values[mimic.get("joint")] + float(mimic.get("offset", 0))
    if kind == "prismatic":
        pose[:3, 3] = axis * value
    else:
        pose[:3, :3] = about(axis, value)
    return pose


def about(axis, angle):
    """Rotation about a unit axis: cos 1 + (1 − cos) a aᵀ + sin [a]."""
    x, y, z = axis
    hat = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.cos(angle) * np.eye(3) + (1 - np.cos(angle)) * np.outer(axis, axis) + np.sin(angle) * hat
