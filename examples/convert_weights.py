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

The digests of a file of foal's are verified, and every .safetensors that is written gets its own: damage is seen on both
ways.
"""

import argparse
import ctypes
import json
import os
import struct
import sys
import tempfile

BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "C64": 8, "I64": 8, "I32": 4, "I16": 2, "I8": 1,
         "U64": 8, "U32": 4, "U16": 2, "U8": 1, "BOOL": 1}
DIGEST, MARKS, OF_ARRAY = "foal.digest", "foal.digest.marks", "foal.digest."
MARK = " ".join(4 * [DIGEST])  # wherever the digest's name is in a header, there must be a digest


class Refused(Exception):
    """A sentence: cannot X, because Y; Z."""


def fnv(data, value=0xCBF29CE484222325):
    """64-bit FNV-1a, from where another one has come to. Some 10 s for 100 MB."""
    prime, mask = 0x100000001B3, (1 << 64) - 1
    for byte in data:
        value = (value ^ byte) * prime & mask
    return value


def word_digest(data):
    """foal's digest of an array: four lanes of little-endian words. Some 6 s for 100 MB."""
    basis, factor, mask = 0xCBF29CE484222325, 0x9E3779B97F4A7C15, (1 << 64) - 1

    def mix(value):
        value = (value ^ value >> 32) * factor & mask
        return value ^ value >> 29

    words = struct.unpack(f"<{(len(data) + 31) // 32 * 4}Q", bytes(data) + bytes(-len(data) % 32))
    lanes = []
    for lane in range(4):
        value = basis + lane
        for word in words[lane::4]:
            value = mix(value ^ word)
        lanes.append(value)
    value = basis ^ len(data)
    for lane in lanes:
        value = mix(value ^ lane)
    return value


def digests_of(arrays, wanted=None):
    """Of the bytes of each array, by the key under which foal has it; of the wanted keys alone. MARKS is none of them."""
    keyed = ((OF_ARRAY + name, data) for name, (_, _, data) in arrays.items())
    return {key: f"{word_digest(data):016x}" for key, data in keyed if key != MARKS and (wanted is None or key in wanted)}


def digest_of(arrays, about):
    """Of metadata, names, types, shapes, offsets, and the bytes of the arrays that have no digest of their own."""
    pieces = [text.encode() + b"\0" for key in sorted(about, key=str.encode) if key != DIGEST for text in (key, about[key])]
    offset, entries = 0, []
    for name, (dtype, shape, data) in arrays.items():
        extents = "[" + ", ".join(map(str, shape)) + "]"
        entries.append((offset, offset + len(data), name.encode(), dtype.encode(), extents.encode()))
        offset += len(data)
    for begin, end, name, dtype, extents in sorted(entries):
        pieces += [b"\0".join([name, dtype, extents, b""]), struct.pack("<QQ", begin, end)]
    pieces += [data for name, (_, _, data) in arrays.items() if OF_ARRAY + name == MARKS or OF_ARRAY + name not in about]
    value = fnv(b"")
    for piece in pieces:
        value = fnv(piece, value)
    return f"{value:016x}"


def each_once(pairs):
    """An object of JSON, whose keys must differ."""
    entries = dict(pairs)
    if len(entries) != len(pairs):
        raise ValueError("a name comes twice")
    return entries


def is_whole(value):
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 64


def checked_header(text, path):
    """The entries of a header by place in the buffer, and its metadata."""
    try:
        header = json.loads(text.decode("utf-8"), object_pairs_hook=each_once)
    except (ValueError, RecursionError) as error:
        raise Refused(f"cannot read {path}, because its header is no JSON ({error}); give a safetensors file") from error
    if not isinstance(header, dict):
        raise Refused(f"cannot read {path}, because its header is no object; give a safetensors file")
    about = header.pop("__metadata__", {})
    if not isinstance(about, dict) or not all(isinstance(value, str) for value in about.values()):
        raise Refused(f"cannot read {path}, because its metadata are not texts; fetch the file again")
    for name, entry in header.items():
        if not (isinstance(entry, dict) and set(entry) == {"dtype", "shape", "data_offsets"} and entry["dtype"] in BYTES
                and isinstance(entry["shape"], list) and all(map(is_whole, entry["shape"]))
                and isinstance(entry["data_offsets"], list) and len(entry["data_offsets"]) == 2
                and all(map(is_whole, entry["data_offsets"]))):
            raise Refused(f"cannot read {path}, because {name!r} has no dtype, shape and data_offsets that are known; "
                          "fetch the file again")
    try:
        return sorted(header.items(), key=lambda item: (*item[1]["data_offsets"], item[0].encode())), about
    except UnicodeEncodeError as error:
        raise Refused(f"cannot read {path}, because a name in it is not Unicode ({error}); fetch the file again") from error


def open_file(path):
    """For reading; a pipe or device is refused, not waited for."""
    if os.path.exists(path) and not os.path.isfile(path):
        raise Refused(f"cannot read {path}, because it is no regular file; give the name of a file")
    return open(path, "rb")


def read_safetensors(path):
    """{name: (type, shape, bytes)} in the order of the buffer, and the metadata. foal's digest is verified."""
    with open_file(path) as file:
        data = file.read()
    if len(data) < 8 or struct.unpack("<Q", data[:8])[0] > len(data) - 8:
        raise Refused(f"cannot read {path}, because its header does not fit its {len(data)} bytes; "
                      "give a safetensors file")
    end = 8 + struct.unpack("<Q", data[:8])[0]
    header, about = checked_header(data[8:end], path)
    arrays, covered = {}, 0
    for name, entry in header:
        begin, stop = entry["data_offsets"]
        size = BYTES[entry["dtype"]]
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
    for key, found in digests_of(arrays, about).items():
        if found != about[key]:
            raise Refused(f"cannot read {path}, because the digest of its array {key[len(OF_ARRAY):]} is {found} where "
                          f"{about[key]} is expected: the file is damaged; fetch it again")
    if DIGEST in about:
        found = digest_of(arrays, about)
        if found != about[DIGEST]:
            raise Refused(f"cannot read {path}, because its digest is {found} where {about[DIGEST]} is expected: the file is "
                          "damaged; fetch it again")
    elif DIGEST.encode() in data[:end]:
        raise Refused(f"cannot read {path}, because it bears foal's mark and its {DIGEST} is missing or misspelt: the file is "
                      "damaged; fetch it again")
    return arrays, about


def write_whole(path, write_to):
    """Calls write_to(file) with a new file beside path that nobody else has, and gives it path's name; whole or not at all."""
    target = os.path.realpath(path)
    if os.path.exists(target) and not os.path.isfile(target):
        raise Refused(f"cannot write {path}, because it is no regular file; name another file")
    handle, partial = tempfile.mkstemp(prefix=os.path.basename(target)[:200] + ".partial-", dir=os.path.dirname(target))
    try:
        with os.fdopen(handle, "wb") as file:
            write_to(file)
            file.flush()
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(partial, os.stat(target).st_mode & 0o7777 if os.path.exists(target) else 0o666 & ~mask)
        os.replace(partial, target)
    except BaseException:
        os.unlink(partial)
        raise


def write_safetensors(path, arrays, about):
    about = {key: text for key, text in about.items() if not key.startswith(OF_ARRAY)}
    about |= {MARKS: MARK} | digests_of(arrays)
    about[DIGEST] = digest_of(arrays, about)
    header, offset = {"__metadata__": dict(sorted(about.items()))}, 0
    for name, (dtype, shape, data) in arrays.items():
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)

    def write_to(file):
        file.write(struct.pack("<Q", len(text)) + text)
        for _, _, data in arrays.values():
            file.write(data)

    write_whole(path, write_to)


def torch_types(torch):
    return {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64,
            "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool}


def read(path):
    if not path.endswith((".pt", ".pth")):
        return read_safetensors(path)
    open_file(path).close()
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
    write_whole(path, lambda file: torch.save(tensors, file))


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
        try:
            with open_file(given.map) as file:
                names = json.loads(file.read().decode("utf-8"), object_pairs_hook=each_once)
            if not isinstance(names, dict):
                raise ValueError("it is no object")
        except ValueError as error:
            raise Refused(f"cannot read {given.map}, because it is no map of names ({error}); correct it") from error
        if given.to_foal:
            names = {theirs: ours for ours, theirs in names.items()}
        if "__metadata__" in names.values() or not all(isinstance(name, str) for name in names.values()):
            raise Refused(f"cannot use {given.map}, because it names an array __metadata__ or not with a text; correct it")
        write(given.target, rename(arrays, names, given.source), about | {"format": "pt"})
    except (Refused, OSError) as error:
        print(f"convert_weights: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
