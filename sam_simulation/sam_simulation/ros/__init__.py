# SPDX-License-Identifier: Apache-2.0
"""Messages, the camera node and the bag recorder; thin."""
