# SPDX-License-Identifier: Apache-2.0
"""Being here puts this folder on the path, so that all tests can import `small_models`."""
