//! The real program as a child process, and a plain client that speaks to its socket.
//!
//! Nothing here knows the server's code: what these tests find is what a stranger would find.

pub(crate) mod client;
pub(crate) mod program;
