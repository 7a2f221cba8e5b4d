# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work on real nodes is disturbed: whatever happens, nothing is lost, and the next run finishes it.

A node goes between two sets of images, with a pod that runs all the time. In the middle of that a fault
is injected from outside (see `fault.Fault`); what must hold then is seen in `site.Site`: before another
run, after it, and ten times a second all the while.

Not injected, because this machine cannot: a link with 300 ms of delay (the kernel has no netem; the
registry answers later instead), a wrong clock of a whole node (nodes share the machine's; our Python gets
one of its own), I/O errors that come and go (no device-mapper; a loop device over a shortened file gives
lasting ones), a resolver that goes silent (nodes have none; names are just not known).
"""
