//! How a connection ends, by the code that Baileys gives the reason.

use crate::wire::Node;

/// What a client is told for Baileys' reason `code`; `None` when WhatsApp says nothing, and just ends the
/// connection.
pub(crate) fn last_words(code: u16) -> Option<Node> {
    let stream_error = Node::new("stream:error");
    Some(match code {
        // A connection that is lost.
        408 => return None,
        401 => stream_error
            .attr("code", "401")
            .child(Node::new("conflict").attr("type", "device_removed")),
        411 => Node::new("ib").child(Node::new("downgrade_webclient")),
        428 => Node::new("xmlstreamend"),
        440 => stream_error.child(Node::new("conflict").attr("type", "replaced")),
        // The reasons of a login that is refused: banned, client too old, client not known.
        402 | 403 | 405 | 406 | 409 | 463 => failure(code),
        _ => stream_error.attr("code", code.to_string()),
    })
}

/// The answer to a login that is refused.
pub(crate) fn failure(reason: u16) -> Node {
    Node::new("failure").attr("reason", reason.to_string()).attr("location", "mock")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_its_words() {
        let words = |code| last_words(code).map(|node| node.to_string()).unwrap_or_default();
        assert_eq!(words(408), "");
        assert_eq!(words(428), "<xmlstreamend/>");
        assert_eq!(words(440), r#"<stream:error><conflict type="replaced"/></stream:error>"#);
        assert_eq!(words(515), r#"<stream:error code="515"/>"#);
        assert_eq!(words(403), r#"<failure reason="403" location="mock"/>"#);
        assert_eq!(words(411), "<ib><downgrade_webclient/></ib>");
    }
}
