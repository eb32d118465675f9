//! Counts a pattern's large character classes. Unicode classes are tables of some hundred ranges, and
//! `regex` builds one for each occurrence before it checks any size: 30 000 `\\pL` took a gibibyte.

use regex_syntax::ast::parse::ParserBuilder;
use regex_syntax::ast::{self, Ast, ClassPerlKind, ClassSetItem, Visitor};

use super::{CLASS_LIMIT, NEST_LIMIT, PatternError};

/// Refuses a text with more than [`CLASS_LIMIT`] of them. Invalid patterns are left to the
/// compiler.
pub(super) fn check(text: &str) -> Result<(), PatternError> {
    let parsed = ParserBuilder::new()
        .nest_limit(NEST_LIMIT)
        .build()
        .parse(text);
    match parsed {
        Ok(ast) => ast::visit(&ast, Count(0)),
        Err(_) => Ok(()),
    }
}

/// Number of classes so far.
struct Count(usize);

impl Count {
    fn add(&mut self, is_large: bool) -> Result<(), PatternError> {
        self.0 += usize::from(is_large);
        if self.0 > CLASS_LIMIT {
            return Err(PatternError(format!(
                "it has too many classes such as `\\w` or `\\pL`, at most {CLASS_LIMIT}; write `[a-z]` or the like"
            )));
        }
        Ok(())
    }
}

impl Visitor for Count {
    type Output = ();
    type Err = PatternError;

    fn finish(self) -> Result<(), PatternError> {
        Ok(())
    }

    fn visit_pre(&mut self, ast: &Ast) -> Result<(), PatternError> {
        self.add(match ast {
            Ast::ClassUnicode(_) => true,
            Ast::ClassPerl(class) => class.kind == ClassPerlKind::Word,
            _ => false,
        })
    }

    fn visit_class_set_item_pre(&mut self, item: &ClassSetItem) -> Result<(), PatternError> {
        self.add(match item {
            ClassSetItem::Unicode(_) => true,
            ClassSetItem::Perl(class) => class.kind == ClassPerlKind::Word,
            // With `(?i)` each is as large as the alphabets that it covers.
            ClassSetItem::Range(range) => !range.end.c.is_ascii(),
            _ => false,
        })
    }
}
