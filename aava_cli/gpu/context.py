"""Try CUDA, and print what comes of it: a program by itself, for a process that may die of it.

It runs on this host and inside an image, with nothing but a Python of version 3.8 or later.
One line of JSON: `step` and `code` of what failed, its `name`, CUDA's `version`, the `devices`.
"""

import ctypes
import json
import os
import uuid

# `CUresult` and `CUdevice_attribute`, CUDA driver API:
# docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__TYPES.html
_NO_DEVICE = 100
_COMPUTE = (75, 76)


class _Refused(Exception):
    """CUDA said no in *step*."""

    def __init__(self, step: str, code: int) -> None:
        super().__init__(step)
        self.step = step
        self.code = code


def _main() -> dict:  # type: ignore[type-arg]
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        return {"step": "library", "name": str(error)}
    found: dict = {"devices": []}  # type: ignore[type-arg]
    try:
        _try(cuda, found)
    except _Refused as refused:
        found.update(step=refused.step, code=refused.code, name=_error(cuda, refused.code))
    return found


def _try(cuda: ctypes.CDLL, found: dict) -> None:  # type: ignore[type-arg]
    number = ctypes.c_int()
    if not cuda.cuDriverGetVersion(ctypes.byref(number)):
        found["version"] = number.value
    _check("init", cuda.cuInit(0))
    _check("count", cuda.cuDeviceGetCount(ctypes.byref(number)))
    if not number.value:
        raise _Refused("count", _NO_DEVICE)
    devices = [_device(cuda, index) for index in range(number.value)]
    found["devices"] = [_described(cuda, device) for device in devices]
    # The first is what an engine takes; each further one would cost as long again.
    context = ctypes.c_void_p()
    _check("context", cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), devices[0]))


def _device(cuda: ctypes.CDLL, index: int) -> ctypes.c_int:
    device = ctypes.c_int()
    _check("device", cuda.cuDeviceGet(ctypes.byref(device), index))
    return device


def _described(cuda: ctypes.CDLL, device: ctypes.c_int) -> dict:  # type: ignore[type-arg]
    name, total = ctypes.create_string_buffer(256), ctypes.c_size_t()
    _check("device", cuda.cuDeviceGetName(name, len(name), device))
    _check("device", cuda.cuDeviceTotalMem_v2(ctypes.byref(total), device))
    return {
        "uuid": _uuid(cuda, device),
        "name": name.value.decode(errors="replace"),
        "total_bytes": total.value,
        "compute": [_attribute(cuda, device, each) for each in _COMPUTE],
    }


def _uuid(cuda: ctypes.CDLL, device: ctypes.c_int) -> str:
    name = (ctypes.c_ubyte * 16)()
    # Since CUDA 11.4 that of the slice, where MIG is on.
    ask = getattr(cuda, "cuDeviceGetUuid_v2", None) or cuda.cuDeviceGetUuid
    return "" if ask(ctypes.byref(name), device) else str(uuid.UUID(bytes=bytes(name)))


def _attribute(cuda: ctypes.CDLL, device: ctypes.c_int, attribute: int) -> int:
    value = ctypes.c_int()
    _check("device", cuda.cuDeviceGetAttribute(ctypes.byref(value), attribute, device))
    return value.value


def _check(step: str, code: int) -> None:
    if code:
        raise _Refused(step, code)


def _error(cuda: ctypes.CDLL, code: int) -> str:
    text = ctypes.c_char_p()
    known = not cuda.cuGetErrorName(code, ctypes.byref(text))
    return text.value.decode() if known and text.value else f"error {code}"


if __name__ == "__main__":
    os.write(1, json.dumps(_main()).encode())
