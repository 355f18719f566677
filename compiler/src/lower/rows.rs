//! Sizes that are those of the data: `const N = arg(rows(x))`.
//!
//! The compiler touches no data. Whoever has the file of x gives the argument ([`wanted`] says which ones there are to be given); everybody else
//! announces it, `--arg N=24`. The value is an argument like any other, so parties compare it before anything runs, and a file
//! with another number of rows is refused by its owner.

use super::Lowerer;
use super::expr::arg_call;
use super::value::{Konst, Value};
use crate::diagnostics::{Code, Diagnostic, FileId};
use crate::syntax::ast::{self, Arg, Expr, ExprKind, Ident};
use crate::syntax::parse;

/// The input of `arg(rows(input))`.
fn input(args: &[Arg]) -> Option<&Ident> {
    let [Arg { name: None, value, .. }] = args else { return None };
    let ExprKind::Call { callee, args } = &value.kind else { return None };
    let is_rows = |callee: &Expr| matches!(&callee.kind, ExprKind::Path(p) if p.as_ident().is_some_and(|n| n.name == "rows"));
    let [Arg { name: None, value, .. }] = args.as_slice() else { return None };
    match &value.kind {
        ExprKind::Path(path) if is_rows(callee) => path.as_ident(),
        _ => None,
    }
}

/// The arguments of a program that are numbers of rows, each with the input whose rows they count. A text that is no program has none.
pub fn wanted(text: &str) -> Vec<(String, String)> {
    let mut sources = crate::diagnostics::SourceMap::new();
    let file = sources.add(String::new(), text.to_string(), crate::diagnostics::Origin::User);
    let of = |item: &ast::Item| match item {
        ast::Item::Const(c) => Some((c.name.name.clone(), input(arg_call(&c.value)?)?.name.clone())),
        _ => None,
    };
    items(text, file).iter().filter_map(of).collect()
}

fn items(text: &str, file: FileId) -> Vec<ast::Item> {
    parse(text, file).0.items
}

impl<'a> Lowerer<'a> {
    /// The value of `const NAME = arg(rows(input))`, if it is one.
    pub(super) fn rows_argument(&mut self, c: &'a ast::Const, args: &'a [Arg]) -> Option<Value> {
        let input = input(args)?;
        let modules = self.modules;
        let declared = |item: &ast::Item| matches!(item, ast::Item::Input(i) if i.name.name == input.name);
        if !modules.list[0].ast.items.iter().any(declared) {
            let text = format!("there is no input {}", input.name);
            return Some(self.error(Code::N001, input.span, text, "rows of an input of the main file"));
        }
        let name = &c.name.name;
        let Some(text) = self.options.args.get(name) else {
            let error =
                Diagnostic::error(Code::T002, format!("the number of rows of {} is not known", input.name))
                    .at(c.value.span, "")
                    .help(format!("who has its file: --input {}=FILE", input.name))
                    .help(format!("everybody else: --arg {name}=ROWS"));
            self.report(error);
            return Some(Value::Error);
        };
        let Ok(rows) = text.parse::<u32>() else {
            return Some(self.wrong_argument(c, format!("{name} is a number of rows, not \"{text}\"")));
        };
        self.args.push((name.clone(), rows.to_string()));
        Some(Value::Const(Konst::int(rows.into())))
    }
}
