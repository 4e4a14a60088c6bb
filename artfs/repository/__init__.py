"""The stores together, and the invariants between them: commit, gc, verify, open."""
