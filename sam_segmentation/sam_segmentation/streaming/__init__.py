# SPDX-License-Identifier: Apache-2.0
"""One model on a live stream: engine, session, requests."""
