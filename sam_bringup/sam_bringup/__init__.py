# SPDX-License-Identifier: Apache-2.0
"""Launch files, parameters and the demo of the SAM suite."""
