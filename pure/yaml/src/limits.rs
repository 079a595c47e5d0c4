//! Bounds on what a text may cost to read.

/// Bounds the work and memory that one text may cost.
///
/// The defaults accept every file that the reference tools accept in practice and refuse what only an attacker writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Counts the bytes of the text; 256 MiB.
    pub text_bytes_max: usize,
    /// Counts the documents of one text; one million.
    pub documents_max: usize,
    /// Counts how deep collections may nest, aliases followed; 1,000. The reference reader stops at 10,000, which no
    /// person writes, and which would force every later walk over the value to be free of recursion.
    pub depth_max: usize,
    /// Counts the nodes of all documents, each alias counted as what it stands for; 20 million.
    pub nodes_max: usize,
    /// Counts the bytes of scalars that aliases may repeat; 256 MiB.
    pub alias_bytes_max: usize,
    /// Says whether the reference's rule on the share of nodes that may come from aliases holds as well
    /// (99 % in small documents, 10 % in those of more than four million nodes).
    pub alias_share_bounded: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            text_bytes_max: 256 << 20,
            documents_max: 1_000_000,
            depth_max: 1_000,
            nodes_max: 20_000_000,
            alias_bytes_max: 256 << 20,
            alias_share_bounded: true,
        }
    }
}
