# SPDX-License-Identifier: Apache-2.0
"""The official checkpoints: where each lies, how large it is, and what its digest is.

Meta publishes no SHA-256. Those below are what several public projects pin for these addresses,
all of them the same: micro-sam (`micro_sam/util.py`, `micro_sam/v2/util.py`) and 3D Slicer's
SegmentWithSAM among them. The six digits in SAM v1's file names are not of the SHA-256: they open
the file's MD5.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

_SAM1 = 'https://dl.fbaipublicfiles.com/segment_anything/'
_SAM2 = 'https://dl.fbaipublicfiles.com/segment_anything_2/072824/'
_SAM21 = 'https://dl.fbaipublicfiles.com/segment_anything_2/092824/'


@dataclass(frozen=True)
class KnownCheckpoint:
    """A published file of weights.

    Parameters
    ----------
    model : str
        Canonical name of the model.
    url : str
        Its official address.
    size : int or None
        Bytes; None: not known before the download.
    sha256 : str or None
        Hexadecimal; None: no public source states it, so the first download pins it.

    """

    model: str
    url: str
    size: int | None
    sha256: str | None

    @property
    def file_name(self) -> str:
        """The name that the publisher gave the file."""
        return self.url.rpartition('/')[2]


CATALOGUE = MappingProxyType(
    {
        known.model: known
        for known in (
            KnownCheckpoint(
                'sam_vit_h',
                f'{_SAM1}sam_vit_h_4b8939.pth',
                2_564_550_879,
                'a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e',
            ),
            KnownCheckpoint(
                'sam_vit_l',
                f'{_SAM1}sam_vit_l_0b3195.pth',
                1_249_524_607,
                '3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622',
            ),
            KnownCheckpoint(
                'sam_vit_b',
                f'{_SAM1}sam_vit_b_01ec64.pth',
                375_042_383,
                'ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912',
            ),
            KnownCheckpoint(
                'sam2_hiera_tiny',
                f'{_SAM2}sam2_hiera_tiny.pt',
                155_906_050,
                '65b50056e05bcb13694174f51bb6da89c894b57b75ccdf0ba6352c597c5d1125',
            ),
            KnownCheckpoint(
                'sam2_hiera_small',
                f'{_SAM2}sam2_hiera_small.pt',
                184_309_650,
                '95949964d4e548409021d47b22712d5f1abf2564cc0c3c765ba599a24ac7dce3',
            ),
            KnownCheckpoint(
                'sam2_hiera_base_plus',
                f'{_SAM2}sam2_hiera_base_plus.pt',
                323_493_298,
                'd0bb7f236400a49669ffdd1be617959a8b1d1065081789d7bbff88eded3a8071',
            ),
            KnownCheckpoint(
                'sam2_hiera_large',
                f'{_SAM2}sam2_hiera_large.pt',
                897_952_466,
                '7442e4e9b732a508f80e141e7c2913437a3610ee0c77381a66658c3a445df87b',
            ),
            KnownCheckpoint(
                'sam2.1_hiera_tiny',
                f'{_SAM21}sam2.1_hiera_tiny.pt',
                156_008_466,
                '7402e0d864fa82708a20fbd15bc84245c2f26dff0eb43a4b5b93452deb34be69',
            ),
            KnownCheckpoint(
                'sam2.1_hiera_small',
                f'{_SAM21}sam2.1_hiera_small.pt',
                184_416_285,
                '6d1aa6f30de5c92224f8172114de081d104bbd23dd9dc5c58996f0cad5dc4d38',
            ),
            KnownCheckpoint(
                'sam2.1_hiera_base_plus',
                f'{_SAM21}sam2.1_hiera_base_plus.pt',
                323_606_802,
                'a2345aede8715ab1d5d31b4a509fb160c5a4af1970f199d9054ccfb746c004c5',
            ),
            KnownCheckpoint(
                'sam2.1_hiera_large',
                f'{_SAM21}sam2.1_hiera_large.pt',
                898_083_611,
                '2647878d5dfa5098f2f8649825738a9345572bae2d4350a2468587ece47dd318',
            ),
        )
    }
)
