//! Go text/template and Sprig: lexer, parser, evaluator and functions, with limits.
