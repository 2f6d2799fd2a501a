#!/usr/bin/env python3
"""Renames weights between foal and PyTorch: safetensors or a PyTorch state dict in, safetensors or a state dict out.

    convert_weights.py IN                                list the arrays of a file: name, type, shape
    convert_weights.py IN OUT --map MAP.json             foal's names to PyTorch's
    convert_weights.py IN OUT --map MAP.json --to-foal   PyTorch's names to foal's

IN and OUT are .safetensors files, or .pt / .pth state dicts (these two need the Python package torch; nothing else does).
MAP.json pairs names, foal's first; it must name every array of the file that is written:

    {"0.conv.weight": "features.0.weight", "0.conv.bias": "features.0.bias",
     "1.batch_norm.gamma": "features.1.weight", "1.batch_norm.beta": "features.1.bias",
     "1.batch_norm.running_mean": "features.1.running_mean", "1.batch_norm.running_variance": "features.1.running_var",
     "5.linear.weight": "classifier.weight", "5.linear.bias": "classifier.bias"}

foal names an array "<layer number>.<layer>.<parameter>" and writes it in PyTorch's layout already (linear [out, in], conv
[out, in, row, column], features behind a flatten channels first), so values pass through unchanged. Arrays that the map does
not name are an error, but for PyTorch's num_batches_tracked, which foal has no use for and which is left out.
"""

import argparse
import ctypes
import json
import os
import struct
import sys

BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}


class Refused(Exception):
    """A sentence: cannot X, because Y; Z."""


def read_safetensors(path):
    """{name: (type, shape, bytes)} and the metadata."""
    with open(path, "rb") as file:
        data = file.read()
    if len(data) < 8 or struct.unpack("<Q", data[:8])[0] > len(data) - 8:
        raise Refused(f"cannot read {path}, because its header does not fit its {len(data)} bytes; "
                      "give a safetensors file")
    end = 8 + struct.unpack("<Q", data[:8])[0]
    try:
        header = json.loads(data[8:end])
    except ValueError as error:
        raise Refused(f"cannot read {path}, because its header is no JSON ({error}); give a safetensors file") from error
    about = header.pop("__metadata__", {})
    arrays, covered = {}, 0
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        begin, stop = entry["data_offsets"]
        size = BYTES.get(entry["dtype"], 0)
        for extent in entry["shape"]:
            size *= extent
        if begin != covered or stop - begin != size or end + stop > len(data):
            raise Refused(f"cannot read {path}, because {name} lies at [{begin}, {stop}) where "
                          f"[{covered}, {covered + size}) is expected; fetch the file again")
        arrays[name] = (entry["dtype"], entry["shape"], data[end + begin:end + stop])
        covered = stop
    if end + covered != len(data):
        raise Refused(f"cannot read {path}, because {len(data) - end - covered} bytes belong to no array; "
                      "fetch the file again")
    return arrays, about


def write_safetensors(path, arrays, about):
    header, offset = {"__metadata__": about}, 0
    for name, (dtype, shape, data) in arrays.items():
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path + ".partial", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, _, data in arrays.values():
            file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(path + ".partial", path)


def torch_types(torch):
    return {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64,
            "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool}


def read(path):
    if not path.endswith((".pt", ".pth")):
        return read_safetensors(path)
    import torch
    names = {dtype: name for name, dtype in torch_types(torch).items()}
    arrays = {}
    for name, tensor in torch.load(path, map_location="cpu", weights_only=True).items():
        raw = tensor.detach().contiguous().reshape(-1).view(torch.uint8)
        arrays[name] = (names[tensor.dtype], list(tensor.shape), ctypes.string_at(raw.data_ptr(), raw.numel()))
    return arrays, {}


def write(path, arrays, about):
    if not path.endswith((".pt", ".pth")):
        write_safetensors(path, arrays, about)
        return
    import torch
    types = torch_types(torch)
    tensors = {}
    for name, (dtype, shape, data) in arrays.items():
        flat = torch.frombuffer(bytearray(data), dtype=types[dtype]) if data else torch.empty(0, dtype=types[dtype])
        tensors[name] = flat.reshape(shape)
    torch.save(tensors, path)


def rename(arrays, names, path):
    """arrays under their new names; both sides must agree about which there are."""
    kept = {name: array for name, array in arrays.items() if name in names or not name.endswith("num_batches_tracked")}
    unknown, missing = sorted(set(kept) - set(names)), sorted(set(names) - set(kept))
    if unknown:
        raise Refused(f"cannot convert {path}, because the map does not name {', '.join(unknown)}; add them to it")
    if missing:
        raise Refused(f"cannot convert {path}, because it lacks {', '.join(missing)}, which the map names; "
                      "remove them there")
    renamed = {names[name]: array for name, array in kept.items()}
    if len(renamed) != len(kept):
        raise Refused(f"cannot convert {path}, because the map gives two arrays one name; give each its own")
    return renamed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", metavar="IN")
    parser.add_argument("target", metavar="OUT", nargs="?")
    parser.add_argument("--map", metavar="MAP.json")
    parser.add_argument("--to-foal", action="store_true", help="the map is read from right to left")
    given = parser.parse_args()
    try:
        arrays, about = read(given.source)
        if given.target is None:
            for name, (dtype, shape, _) in arrays.items():
                print(f"{name}  {dtype}  {shape}")
            return 0
        if given.map is None:
            raise Refused("cannot convert, because no map of names is given; add --map MAP.json")
        with open(given.map, encoding="utf-8") as file:
            names = json.load(file)
        if given.to_foal:
            names = {theirs: ours for ours, theirs in names.items()}
        # foal's digest covers the names, which change; a file without one is read without that check.
        about = {key: value for key, value in about.items() if key != "foal.digest"} | {"format": "pt"}
        write(given.target, rename(arrays, names, given.source), about)
    except (Refused, OSError) as error:
        print(f"convert_weights: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
