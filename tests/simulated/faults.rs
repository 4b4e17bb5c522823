//! The faults, seen from the client's side of the socket.
