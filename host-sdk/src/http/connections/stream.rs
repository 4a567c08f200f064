//! A client's connection, whose progress is recorded.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::http::StatusCode;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    net::TcpStream,
};

use super::{
    last_words,
    table::{Table, Watch},
};

/// How long a connection that this side closes is read on.
const LINGER: Duration = Duration::from_secs(2);

/// A connection from when it is accepted until it is closed, upgraded or not.
///
/// Closing a socket that still receives makes the kernel reset it, and the client then loses the answer
/// that was sent before: so what a client still sends is read and thrown away for a while
/// (RFC 9112, section 9.6).
pub(super) struct Stream {
    /// Taken when this is dropped.
    tcp: Option<TcpStream>,
    client_closed: bool,
    watch: Arc<Watch>,
    table: Arc<Table>,
}

impl Stream {
    pub(super) fn new(tcp: TcpStream, watch: Arc<Watch>, table: Arc<Table>) -> Self {
        Self { tcp: Some(tcp), client_closed: false, watch, table }
    }

    fn tcp(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        self.tcp.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    fn wrote(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(_) => self.watch.wrote(),
            Poll::Pending => self.watch.cannot_write(&self.table),
        }
        written
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let end = Left { watch: self.watch.clone(), table: self.table.clone() };
        let Some(tcp) = self.tcp.take() else { return };
        if self.watch.is_late_with_its_head() {
            let message = "the head of the request took too long";
            let answer = last_words(StatusCode::REQUEST_TIMEOUT, message);
            // Nothing was sent since the last answer, so there is room for this.
            let _ = tcp.try_write(answer.as_bytes());
        }
        let lingers = !self.client_closed && self.table.may_linger(&self.watch);
        if let (true, Ok(runtime)) = (lingers, tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move {
                linger(tcp).await;
                drop(end);
            });
        }
    }
}

/// Takes a connection out of the table when it is dropped.
struct Left {
    watch: Arc<Watch>,
    table: Arc<Table>,
}

impl Drop for Left {
    fn drop(&mut self) {
        self.table.leave(&self.watch);
    }
}

async fn linger(mut tcp: TcpStream) {
    let read_on = async {
        tcp.shutdown().await?;
        let mut buffer = [0; 16 * 1024];
        while tcp.read(&mut buffer).await? > 0 {}
        io::Result::Ok(())
    };
    // However it ends, the connection is closed.
    let _ = tokio::time::timeout(LINGER, read_on).await;
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = self.tcp()?.poll_read(cx, buf);
        if buf.filled().len() > before {
            self.watch.read(&self.table);
        } else if matches!(read, Poll::Ready(Ok(()))) && buf.remaining() > 0 {
            self.client_closed = true;
        }
        read
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = self.tcp()?.poll_write(cx, buf);
        self.wrote(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = self.tcp()?.poll_write_vectored(cx, bufs);
        self.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tcp()?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tcp()?.poll_shutdown(cx)
    }
}
