# SPDX-License-Identifier: Apache-2.0
"""Models by family, how they are found by name, and where their weights lie."""
