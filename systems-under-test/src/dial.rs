//! How clients reach nodes without knowing how the network is made.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;

use tokio::net::TcpStream;

/// A boxed future, so that traits with async methods can be objects.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Opens connections from where the client stands. The harness gives each client a dialler whose sockets live
/// in the client's own network namespace, so that clients can be cut off like nodes.
pub trait Dial: Send + Sync {
    /// Connects, without a timeout of its own beyond the kernel's; callers bound it.
    fn dial(&self, to: SocketAddr) -> BoxFuture<'_, io::Result<TcpStream>>;
}

/// Connects from the host's own network namespace: for tests of a client, and for stores on loopback.
#[derive(Clone, Copy, Debug, Default)]
pub struct DirectDial;

impl Dial for DirectDial {
    fn dial(&self, to: SocketAddr) -> BoxFuture<'_, io::Result<TcpStream>> {
        Box::pin(TcpStream::connect(to))
    }
}
