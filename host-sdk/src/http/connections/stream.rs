//! A client's connection, whose progress is recorded.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::http::StatusCode;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use super::{
    last_words,
    table::{Table, Watch},
};

/// A connection from when it is accepted until it is closed, upgraded or not.
pub(super) struct Stream {
    tcp: TcpStream,
    watch: Arc<Watch>,
    table: Arc<Table>,
}

impl Stream {
    pub(super) fn new(tcp: TcpStream, watch: Arc<Watch>, table: Arc<Table>) -> Self {
        Self { tcp, watch, table }
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
        if self.watch.is_late_with_its_head() {
            // Nothing was sent on this connection since its last answer, so there is room for this.
            let message = "the head of the request took too long";
            let answer = last_words(StatusCode::REQUEST_TIMEOUT, message);
            let _ = self.tcp.try_write(answer.as_bytes());
        }
        self.table.leave(&self.watch);
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.tcp).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.watch.read(&self.table);
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
        let written = Pin::new(&mut self.tcp).poll_write(cx, buf);
        self.wrote(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.tcp).poll_write_vectored(cx, bufs);
        self.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
