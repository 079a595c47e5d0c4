//! From text to tree: [`lexer`] cuts tokens, [`parser`] builds the [`ast`], [`number`] reads constants.

pub(crate) mod ast;
pub(crate) mod lexer;
pub(crate) mod number;
pub(crate) mod parser;
pub(crate) mod suggestion;
