//! Expressions as text with every parenthesis.

use tern_compiler::syntax::ast::{
    Arg, Block, Dim, Elem, Expr, ExprKind, ExprOrRange, Path, Range, RangeEnd, Sub,
};

/// The expression, fully parenthesised.
pub fn show(expr: &Expr) -> String {
    match &expr.kind {
        ExprKind::Number(number) => number.text().to_string(),
        ExprKind::Text(text) => format!("\"{text}\""),
        ExprKind::Bool(value) => value.to_string(),
        ExprKind::Hole => "_".to_string(),
        ExprKind::Path(path) => show_path(path),
        ExprKind::Unary { op, operand } => format!("({}{})", op.node.symbol(), show(operand)),
        ExprKind::Binary { op, left, right } => {
            format!("({} {} {})", show(left), op.node.symbol(), show(right))
        }
        ExprKind::Call { callee, args } => format!("({}({}))", show(callee), list(args, show_arg)),
        ExprKind::Convert { elem, value } => format!("{}({})", show_elem(elem), show(value)),
        ExprKind::Index { base, subs } => format!("({}[{}])", show(base), list(subs, show_sub)),
        ExprKind::Field { base, name } => format!("({}.{})", show(base), name.name),
        ExprKind::Tuple(parts) => format!("({})", list(parts, show)),
        ExprKind::List(parts) => format!("[{}]", list(parts, show_dim)),
        ExprKind::Comprehension { body, name, iter } => {
            let iter = match &**iter {
                ExprOrRange::Expr(expr) => show(expr),
                ExprOrRange::Range(range) => show_range(range),
            };
            format!("[{} for {} in {iter}]", show(body), name.name)
        }
        ExprKind::If(it) => {
            let otherwise =
                it.otherwise.as_ref().map_or(String::new(), |block| format!(" else {}", show_block(block)));
            format!("if {} {}{otherwise}", show(&it.condition), show_block(&it.then))
        }
    }
}

/// `a..b`
pub fn show_range(range: &Range) -> String {
    let start = range.start.as_ref().map_or(String::new(), show);
    let step = range.step.as_ref().map_or(String::new(), |step| format!(" by {}", show(step)));
    match &range.end {
        RangeEnd::Open => format!("{start}..{step}"),
        RangeEnd::Before(end) => format!("{start}..{}{step}", show(end)),
        RangeEnd::Length(length) => format!("{start}..+{}{step}", show(length)),
    }
}

fn list<T>(parts: &[T], show: fn(&T) -> String) -> String {
    parts.iter().map(show).collect::<Vec<_>>().join(", ")
}

fn show_path(path: &Path) -> String {
    path.segments.iter().map(|segment| segment.name.as_str()).collect::<Vec<_>>().join("::")
}

fn show_arg(arg: &Arg) -> String {
    let name = arg.name.as_ref().map_or(String::new(), |name| format!("{}=", name.name));
    name + &show(&arg.value)
}

fn show_elem(elem: &Elem) -> String {
    match elem {
        Elem::Fix(Some(precision)) => format!("fix<{}>", show(precision)),
        Elem::Fix(None) => "fix".to_string(),
        Elem::Int => "int".to_string(),
        Elem::Bool => "bool".to_string(),
        Elem::Num => "num".to_string(),
        Elem::Str => "str".to_string(),
    }
}

fn show_sub(sub: &Sub) -> String {
    match sub {
        Sub::At(expr) => show(expr),
        Sub::Range(range) => show_range(range),
        Sub::Full(_) => "..".to_string(),
        Sub::Ellipsis(_) => "...".to_string(),
    }
}

fn show_dim(dim: &Dim) -> String {
    match dim {
        Dim::One(expr) => show(expr),
        Dim::Spread(name) => format!("..{}", name.name),
    }
}

fn show_block(block: &Block) -> String {
    format!("{{{}}}", block.value.as_ref().map_or(String::new(), |value| show(value)))
}
