//! Writes a node without words.

use crate::wire::{Content, Node};

pub(super) fn encode(node: &Node) -> Result<Vec<u8>, &'static str> {
    // The flags byte: not compressed.
    let mut frame = vec![0];
    write(node, &mut frame)?;
    Ok(frame)
}

fn write(node: &Node, out: &mut Vec<u8>) -> Result<(), &'static str> {
    let content = usize::from(node.content != Content::Empty);
    write_list(1 + 2 * node.attrs.len() + content, out)?;
    write_bytes(node.tag.as_bytes(), out)?;
    for (name, value) in &node.attrs {
        write_bytes(name.as_bytes(), out)?;
        write_bytes(value.as_bytes(), out)?;
    }
    match &node.content {
        Content::Empty => Ok(()),
        Content::Text(text) => write_bytes(text.as_bytes(), out),
        Content::Bytes(bytes) => write_bytes(bytes, out),
        Content::Nodes(nodes) => {
            write_list(nodes.len(), out)?;
            nodes.iter().try_for_each(|node| write(node, out))
        }
    }
}

fn write_list(size: usize, out: &mut Vec<u8>) -> Result<(), &'static str> {
    out.push(super::reader::LIST_16);
    out.extend(u16::try_from(size).map_err(|_| "a list is too long")?.to_be_bytes());
    Ok(())
}

fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), &'static str> {
    out.push(super::reader::BINARY_32);
    out.extend(u32::try_from(bytes.len()).map_err(|_| "a string is too long")?.to_be_bytes());
    out.extend(bytes);
    Ok(())
}
