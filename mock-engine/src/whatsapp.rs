//! whatsapp
mod kdf;
mod keys;
mod noise;
mod protobuf;
mod signal;
