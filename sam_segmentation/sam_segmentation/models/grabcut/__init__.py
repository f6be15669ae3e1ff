# SPDX-License-Identifier: Apache-2.0
"""GrabCut as a promptable model: no weights to download, no GPU."""
