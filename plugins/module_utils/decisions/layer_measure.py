# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a layer will take in a store: its entries unpacked into a tree that is only counted.

It follows containers/storage (pkg/archive, ``Unpack`` with overlay's whiteouts): a later entry
replaces an earlier one, missing parents are made, a whiteout is a device, an opaque directory an
attribute (that fits into any inode), holes are written out, and links in the way to an entry are
followed within the layer.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections import Counter
from typing import Iterable, Iterator, Tuple, Union

from ..documents.locked_images import BLOCK, LayerMeasure
from ..observed.layer_stream import (
    FILE,
    FOLDER,
    HARD_LINK,
    SYMLINK,
    Entry,
    InvalidLayer,
)

# As many as an ext4 of 16 GiB has inodes (mke2fs: one for 16 KiB); it bounds our memory.
_FILES_MAX = 1 << 20
# The directories on the way to so many files, many times deeper than any real tree; it bounds our
# time, for links can make a way of a million steps out of a short name.
_STEPS_MAX = 64 * _FILES_MAX
# Linux follows no more links on the way to a file (MAXSYMLINKS).
_LINKS_MAX = 40
_WHITEOUT, _OPAQUE = b".wh.", b".wh..wh..opq"


_Attributes = Tuple[Tuple[bytes, bytes], ...]


class _Inode:
    """Extended attributes that do not fit into an inode: for ext4 which ones, for XFS the blocks."""

    __slots__ = ("ext4_attributes", "xfs_attributes")

    def __init__(self) -> None:
        self.ext4_attributes = self.xfs_attributes = 0

    def set_attributes(self, attributes: _Attributes) -> None:
        """Set an entry's attributes; what has some keeps them where the entry has none."""
        if attributes:
            # Kept themselves they would fill our memory.
            self.ext4_attributes = 0 if ext4_attributes_fit(attributes) else hash(attributes)
            self.xfs_attributes = xfs_attribute_blocks(attributes)


class _Leaf(_Inode):
    """Whatever is no directory: one inode, under any number of names."""

    __slots__ = ("blocks", "counted", "target")

    def __init__(self, blocks: int = 0, target: bytes = b"") -> None:
        super().__init__()
        self.blocks = blocks
        self.target = target
        self.counted = False


class _Folder(_Inode):
    """A directory."""

    __slots__ = ("names",)

    def __init__(self) -> None:
        super().__init__()
        self.names: dict[bytes, _Node] = {}


_Node = Union[_Leaf, _Folder]


def measure_layer(entries: Iterable[Entry]) -> LayerMeasure:
    """Count what the entries of a layer's tar take.

    :raises InvalidLayer: when they are too many or too deep, or the tar cannot be read.
    """
    tree, record = _Tree(), _TarSplit()
    for entry in entries:
        tree.add(entry)
        record.add(entry)
    return tree.measure(record.close())


class _Tree:
    """The layer as it would lie on a node."""

    def __init__(self) -> None:
        self._top = _Folder()
        self._files = 0
        self._steps = 0

    def add(self, entry: Entry) -> None:
        """Put an entry where containers/storage would; what cannot be made is left out."""
        self._count_file()
        *way, base = _parts(entry.name) or (b"",)
        folder = self._walk(way)
        if folder is None or not base or base == _OPAQUE:
            return
        if base.startswith(_WHITEOUT):
            folder.names.setdefault(base[len(_WHITEOUT) :], _Leaf())
        elif entry.kind == HARD_LINK:
            folder.names[base] = self._linked(entry.target)
        else:
            node = _made(entry, folder.names.get(base))
            node.set_attributes(entry.attributes)
            folder.names[base] = node

    def measure(self, tar_split: int) -> LayerMeasure:
        """Count what is there now."""
        blocks = directories = inodes = ext4_blocks = xfs_blocks = 0
        attributes: Counter[int] = Counter()
        for node in self._inodes():
            inodes += 1
            attributes[node.ext4_attributes] += 1
            xfs_blocks += node.xfs_attributes
            if isinstance(node, _Folder):
                directories += 1
                ext4_blocks += ext4_directory_blocks(node.names)
                xfs_blocks += xfs_directory_blocks(node.names)
            else:
                blocks += node.blocks
                ext4_blocks += len(node.target) > _EXT4_LINK_MAX
                xfs_blocks += len(node.target) > _XFS_LINK_MAX
        del attributes[0]
        ext4_blocks += sum(-(-files // _EXT4_SHARED_MAX) for files in attributes.values())
        return LayerMeasure(blocks, directories, inodes, ext4_blocks, xfs_blocks, tar_split)

    def _count_file(self) -> None:
        self._files += 1
        if self._files > _FILES_MAX:
            raise InvalidLayer(f"it has more than {_FILES_MAX} files and directories")
        if self._steps > _STEPS_MAX:
            raise InvalidLayer(f"it has more than {_STEPS_MAX} directories on the way to its files")

    def _inodes(self) -> Iterator[_Node]:
        """Yield each directory, and all else once, whatever its names."""
        waiting = [self._top]
        while waiting:
            folder = waiting.pop()
            yield folder
            for node in folder.names.values():
                if isinstance(node, _Folder):
                    waiting.append(node)
                elif not node.counted:
                    node.counted = True
                    yield node

    def _linked(self, name: bytes) -> _Node:
        """Return what a hard link is one more name of; a file of its own when it is not here."""
        *way, base = _parts(name) or (b"",)
        folder = self._walk(way, make=False)
        node = folder.names.get(base) if folder else None
        return node if isinstance(node, _Leaf) else _Leaf()

    def _walk(self, way: list[bytes], *, make: bool = True) -> _Folder | None:
        """Return the directory at the end of a way; where it is missing, make it or return None."""
        above = [self._top]
        waiting, links = way[::-1], 0
        while waiting:
            name = waiting.pop()
            node = above[-1].names.get(name)
            self._steps += 1
            if name == b"..":
                del above[max(1, len(above) - 1) :]
            elif node is None and make:
                self._count_file()
                node = above[-1].names[name] = _Folder()
                above.append(node)
            elif isinstance(node, _Folder):
                above.append(node)
            elif node and node.target and links < _LINKS_MAX:
                links += 1
                if node.target.startswith(b"/"):
                    above = above[:1]
                waiting += [one for one in node.target.split(b"/")[::-1] if one not in (b"", b".")]
            else:
                return None
        return above[-1]


def _made(entry: Entry, there: _Node | None) -> _Node:
    """Return what an entry that is no link to another makes where ``there`` was."""
    if entry.kind == FOLDER:
        return there if isinstance(there, _Folder) else _Folder()
    blocks = -(-entry.size // BLOCK) if entry.kind == FILE else 0
    return _Leaf(blocks, entry.target if entry.kind == SYMLINK else b"")


def _parts(name: bytes) -> list[bytes]:
    """Return a name's components, cleaned of ``.``, ``..`` and doubled slashes."""
    parts: list[bytes] = []
    for part in name.split(b"/"):
        if part == b"..":
            del parts[-1:]
        elif part not in (b"", b"."):
            parts.append(part)
    return parts


# ext4 (fs/ext4/namei.c, ext4.h): an entry is 8 bytes and its name, rounded up to 4; a block ends
# with 12 bytes of checksum; the first has 12 bytes each for "." and "..". A directory that needs
# more is hashed: its blocks are halved when full, and one in 500 more are its index.
_EXT4_ROOM = BLOCK - 12
_EXT4_HASHED_FILL = 0.70
_EXT4_INDEX = 500
# A shorter target lies in the inode (EXT4_N_BLOCKS * 4, less the NUL).
_EXT4_LINK_MAX = 59


def ext4_directory_blocks(names: Iterable[bytes]) -> int:
    """Return the blocks of an ext4 directory with these names."""
    room = sum(8 + (len(name) + 3) // 4 * 4 for name in names)
    if room + 24 <= _EXT4_ROOM:
        return 1
    leaves = max(2, round(room / (_EXT4_ROOM * _EXT4_HASHED_FILL)))
    return 1 + leaves + leaves // _EXT4_INDEX


# XFS v5 (fs/xfs/libxfs/xfs_da_format.h), inodes of 512 bytes with 176 of core: what is small lies
# in the inode, beside room for attributes where security modules may set some on directories
# (xfs_default_attroffset). An entry there is 8 bytes and its name after 6 in all; in a block 12
# and its name, rounded up to 8, after 64 in all, with 8 bytes of hash for each.
_XFS_LINK_MAX = 336
_XFS_INODE_ROOM = 192
_XFS_HEADER = 64
_XFS_HASHED_FILL = 0.75


def xfs_directory_blocks(names: Iterable[bytes]) -> int:
    """Return the blocks of an XFS directory with these names."""
    lengths = [len(name) for name in names]
    if 6 + sum(8 + length for length in lengths) <= _XFS_INODE_ROOM:
        return 0
    room = 32 + sum((12 + length + 7) // 8 * 8 for length in lengths)
    hashes = 8 * (len(lengths) + 2)
    if _XFS_HEADER + room + hashes + 8 <= BLOCK:
        return 1
    # Free space in a block of data is not filled to the last byte.
    leaves = -(-room // (BLOCK - _XFS_HEADER))
    if _XFS_HEADER + hashes + 2 * leaves + 4 <= BLOCK:
        return leaves + 1
    return leaves + 2 + round(hashes / ((BLOCK - _XFS_HEADER) * _XFS_HASHED_FILL))


# Extended attributes lie in the inode while all of a file's fit there. ext4 (fs/ext4/xattr.h): each
# has 16 bytes, its name without the namespace, and its value, both rounded up to 4; inodes of 256
# have 88 for all. Others take a block that files with the very same attributes share, up to 1024
# (EXT4_XATTR_REFCOUNT_MAX). Labels of SELinux, which a node may set, would leave 24 of the 88.
_EXT4_ATTRIBUTES_MAX = 88
_EXT4_SHARED_MAX = 1024


def ext4_attributes_fit(attributes: _Attributes) -> bool:
    """Say whether extended attributes fit into an inode of ext4."""
    lengths = ((len(name.partition(b".")[2]), len(value)) for name, value in attributes)
    room = sum(16 + (name + 3) // 4 * 4 + (value + 3) // 4 * 4 for name, value in lengths)
    return room <= _EXT4_ATTRIBUTES_MAX


# XFS (fs/xfs/libxfs/xfs_da_format.h, xfs_attr_sf_hdr): each has 3 bytes, name and value, after 4 in
# all; 56 of the inode are kept for data, and no length there is above 254. Values of three quarters
# of a block lie apart from the names.
_XFS_ATTRIBUTES_MAX = 280
_XFS_VALUE_MAX = 254
_XFS_VALUE_APART = 3072


def xfs_attribute_blocks(attributes: _Attributes) -> int:
    """Return the blocks of extended attributes on XFS."""
    room = 4 + sum(3 + len(name.partition(b".")[2]) + len(value) for name, value in attributes)
    longest = max((len(value) for _name, value in attributes), default=0)
    if room <= _XFS_ATTRIBUTES_MAX and longest <= _XFS_VALUE_MAX:
        return 0
    return 1 + room // _XFS_VALUE_APART


class _TarSplit:
    """The size of the file in which containers/storage keeps a layer's tar headers.

    They are lines of JSON (vbatts/tar-split, tar/storage), packed by gzip at its fastest
    (layers.go, ``applyDiff``). Contents are in it by a checksum, here of as many other bytes.
    """

    def __init__(self) -> None:
        self._gzip = zlib.compressobj(1, zlib.DEFLATED, 31)
        self._size = 0
        self._position = 0

    def add(self, entry: Entry) -> None:
        """Add an entry."""
        self._line(f'"type":2,"payload":"{_base64(entry.header)}"')
        name = json.dumps(entry.name.decode("utf-8", errors="replace"))
        checksum = hashlib.blake2b(b"%d" % self._position, digest_size=8).digest()
        content = f'"size":{entry.size},"payload":"{_base64(checksum)}"'
        self._line(f'"type":1,"name":{name},' + (content if entry.size else '"payload":null'))

    def close(self) -> int:
        """Return the bytes of the whole."""
        return self._size + len(self._gzip.flush())

    def _line(self, values: str) -> None:
        line = f'{{{values},"position":{self._position}}}\n'
        self._position += 1
        self._size += len(self._gzip.compress(line.encode()))


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
