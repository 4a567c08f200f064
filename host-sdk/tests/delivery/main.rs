//! Events from the bus to their receivers: the lanes alone, and over real sockets.

mod bus;
mod lanes;
mod lanes_model;
mod load;
mod outages;
mod receiver;
mod retries;
mod tls;
mod webhooks;
mod websockets;
