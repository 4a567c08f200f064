include!(concat!(env!("OUT_DIR"), "/vendored.rs"));
