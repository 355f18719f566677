//! The parser: every program of the language's description, and the trees of small texts.

use std::fs;
use std::path::PathBuf;
use tern_compiler::diagnostics::FileId;
use tern_compiler::syntax::ast::{self, ExprKind, Item, StmtKind, TypeKind};
use tern_compiler::syntax::parse;

#[path = "syntax/show.rs"]
mod show;
use show::{show, show_range};

/// Names and texts of `tests/syntax/programs`.
fn programs() -> Vec<(PathBuf, String)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/syntax/programs");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.map(|path| (path.clone(), fs::read_to_string(&path).unwrap())).collect()
}

fn items(text: &str) -> Vec<Item> {
    let (file, errors) = parse(text, FileId(0));
    assert_eq!(errors, [], "{text}");
    file.items
}

fn function(text: &str) -> ast::Function {
    match items(text).remove(0) {
        Item::Fn(function) => function,
        other => panic!("{other:?}"),
    }
}

/// The body of a function as statements, its value among them.
fn body(text: &str) -> Vec<StmtKind> {
    let block = function(&format!("fn main() {{\n{text}\n}}")).body;
    let value = block.value.map(|expr| StmtKind::Expr(*expr));
    block.stmts.into_iter().map(|stmt| stmt.kind).chain(value).collect()
}

fn expr(text: &str) -> ast::Expr {
    match body(text).remove(0) {
        StmtKind::Expr(expr) => expr,
        other => panic!("{other:?}"),
    }
}

#[test]
fn programs_parse() {
    let programs = programs();
    assert_eq!(programs.len(), 10);
    for (path, text) in programs {
        let (file, errors) = parse(&text, FileId(0));
        assert_eq!(errors, [], "{}", path.display());
        assert!(file.items.len() > 1);
        assert!(!file.items.iter().any(|item| matches!(item, Item::Error(_))));
    }
}

#[test]
fn operators_bind_as_described() {
    for (text, tree) in [
        ("a + b * c", "(a + (b * c))"),
        ("a - b - c", "((a - b) - c)"),
        ("-x ** 2", "(-(x ** 2))"),
        ("2 ** -f", "(2 ** (-f))"),
        ("a ** b ** c", "(a ** (b ** c))"),
        ("-d / 2 * r", "(((-d) / 2) * r)"),
        ("x @ w + b", "((x @ w) + b)"),
        ("train & rate > 0", "(train & (rate > 0))"),
        ("a | b ^ c & d", "(a | (b ^ (c & d)))"),
        ("a << 1 + n < b", "((a << (1 + n)) < b)"),
        ("!a & b", "((!a) & b)"),
        ("p.w[0](x).y", "((((p.w)[0])(x)).y)"),
        ("(a + b) * c", "((a + b) * c)"),
        ("1/2 - (y - int(b) @ c)", "((1 / 2) - (y - (int(b) @ c)))"),
        ("if a { b } else { c } + d", "(if a {b} else {c} + d)"),
    ] {
        assert_eq!(show(&expr(text)), tree, "{text}");
    }
}

#[test]
fn primaries() {
    for (text, tree) in [
        ("Net()", "(Net())"),
        ("f(x, axis=-1,)", "(f(x, axis=(-1)))"),
        ("optim::start(p)", "(optim::start(p))"),
        ("grad(loss, p)", "(grad(loss, p))"),
        ("secret([1, 2.5])", "(secret([1, 2.5]))"),
        ("fix<g>(x)", "fix<g>(x)"),
        ("fix<(f + 1)>(b)", "fix<(f + 1)>(b)"),
        ("bool(x)", "bool(x)"),
        ("x[i*500 .. +500]", "(x[(i * 500)..+500])"),
        ("x[..., 0..half]", "(x[..., 0..half])"),
        ("x[.., n..]", "(x[.., n..])"),
        ("x[..n, rows]", "(x[..n, rows])"),
        ("[b, ..s]", "[b, ..s]"),
        ("[]", "[]"),
        ("[2 ** j for j in 0..n]", "[(2 ** j) for j in 0..n]"),
        ("(p, _)", "(p, _)"),
        ("if a { b } else if c { d } else { e }", "if a {b} else {if c {d} else {e}}"),
        ("\"a b\"", "\"a b\""),
        ("output.model[input]", "((output.model)[input])"),
        ("60_000", "60_000"),
    ] {
        assert_eq!(show(&expr(text)), tree, "{text}");
    }
}

#[test]
fn a_line_ends_a_statement_where_it_can() {
    assert_eq!(body("a\nb").len(), 2);
    assert_eq!(body("a +\nb").len(), 1);
    assert_eq!(body("f(a,\n  b\n)").len(), 1);
    assert_eq!(body("[a\n, b]").len(), 1);
    assert_eq!(body("\n\na\n\n\nb\n\n").len(), 2);
    assert_eq!(body("if a {\nb\n}\nelse {\nc\n}").len(), 1);
    assert_eq!(body("a // b +\nc /// d").len(), 2);
    assert_eq!(body("f(if a {\nb\nc\n} else { d })\ne").len(), 2);
    assert_eq!(body("x\ngrad(l, x)").len(), 2);
    assert_eq!(body("a\r\nb\r\n").len(), 2);
    assert_eq!(body("").len(), 0);
    assert_eq!(items("fn f()\n    -> fix {\n    x\n}\ngrad(d) {\n    d\n}\n\nuse a").len(), 2);
    assert_eq!(items("model M {\n    a: fix<8>\n    b: fix\n    c: Net, d: int\n}").len(), 1);
    assert_eq!(items("").len(), 0);
    assert_eq!(items("\u{feff}use a").len(), 1);
}

#[test]
fn statements() {
    let kinds = body(
        "let (a, (_, b)): (fix, (int, bool)) = e\nvar input: fix[0] = zeros()\n(p.w, x[0], _) = e\ns.m *= 2\n\
         for rows in batches(N, BATCH) { break }\nunroll for w in fields(p) { w }\nfor i in 0 .. +n {}\n\
         output weights = p to party 1 + 1\noutput weights to shares\noutput model, test to party 0\noutput a, b = pair, c = 1 + 1, d = e to shares\n  const n: fix = 3\nassert a == b, \"text\"\n\
         require k in ..n\nrequire a > 0, \"text\"\nreturn x",
    );
    let shown: Vec<String> = kinds.iter().map(statement).collect();
    assert_eq!(
        shown,
        [
            "let (a, (_, b)): Tuple = e",
            "var input: Tensor = (zeros())",
            "((p.w), (x[0]), _) = e",
            "(s.m) *= 2",
            "for rows in (batches(N, BATCH)) 1",
            "unroll for w in (fields(p)) 1",
            "for i in 0..+n 0",
            "output weights = p to party (1 + 1)",
            "output weights to shares",
            "output model, test to party 0",
            "output a, b = pair, c = (1 + 1), d = e to shares",
            "const n: Tensor = 3",
            "assert (a == b), text",
            "require k in ..n",
            "require (a > 0), text",
            "return x",
        ]
    );
}

fn statement(kind: &StmtKind) -> String {
    let binding = |binding: &ast::Binding| {
        let ty = binding.ty.as_ref().map_or(String::new(), |ty| format!(": {}", type_name(ty)));
        format!("{}{ty} = {}", pattern(&binding.pattern), show(&binding.value))
    };
    let text =
        |text: &Option<ast::Text>| text.as_ref().map_or(String::new(), |text| format!(", {}", text.value));
    match kind {
        StmtKind::Let(it) => format!("let {}", binding(it)),
        StmtKind::Var(it) => format!("var {}", binding(it)),
        StmtKind::Const(it) => format!("const {}", binding(it)),
        StmtKind::Assign { target, value } => format!("{} = {}", show(target), show(value)),
        StmtKind::Augment { target, op, value } => {
            format!("{} {}= {}", show(target), op.node.symbol(), show(value))
        }
        StmtKind::Expr(expr) => show(expr),
        StmtKind::For(it) => {
            let iter = match &it.iter {
                ast::ExprOrRange::Expr(expr) => show(expr),
                ast::ExprOrRange::Range(range) => show_range(range),
            };
            let unroll = if it.unroll { "unroll " } else { "" };
            let count = it.body.stmts.len() + usize::from(it.body.value.is_some());
            format!("{unroll}for {} in {iter} {count}", pattern(&it.pattern))
        }
        StmtKind::Break => "break".to_string(),
        StmtKind::Return(expr) => format!("return {}", show(expr)),
        StmtKind::Output { results, to } => {
            let to = match to {
                ast::Place::Party { number, .. } => format!("party {}", show(number)),
                ast::Place::Shares(_) => "shares".to_string(),
                ast::Place::Client { name, .. } => format!("client {}", name.name),
            };
            let results: Vec<String> = results.iter().map(named).collect();
            format!("output {} to {to}", results.join(", "))
        }
        StmtKind::Assert { condition, message } => format!("assert {}{}", show(condition), text(message)),
        StmtKind::Require { value, range, message } => {
            let range = range.as_ref().map_or(String::new(), |range| format!(" in {}", show_range(range)));
            format!("require {}{range}{}", show(value), text(message))
        }
        StmtKind::Error => "error".to_string(),
    }
}

fn named(results: &ast::Results) -> String {
    let value = results.value.as_ref().map_or(String::new(), |value| format!(" = {}", show(value)));
    let names: Vec<&str> = results.names.iter().map(|name| name.name.as_str()).collect();
    format!("{}{value}", names.join(", "))
}

fn pattern(pattern: &ast::Pattern) -> String {
    match pattern {
        ast::Pattern::Name(name) => name.name.clone(),
        ast::Pattern::Tuple(parts, _) => {
            format!("({})", parts.iter().map(self::pattern).collect::<Vec<_>>().join(", "))
        }
        ast::Pattern::Hole(_) => "_".to_string(),
    }
}

fn type_name(ty: &ast::Type) -> &'static str {
    match &ty.kind {
        TypeKind::Tensor { .. } => "Tensor",
        TypeKind::Model { .. } => "Model",
        TypeKind::Tuple(_) => "Tuple",
        TypeKind::AnyModel(_) => "AnyModel",
        TypeKind::Fn => "Fn",
    }
}

#[test]
fn declarations_keep_their_parts() {
    let text = "/// First.\n///  Second\nfn step(const n: int = 1, p: model M, g: secret M, f: fn, x: public fix<8>[b, ..s])\n\
                -> (M, State(M)) {\n    x\n} grad(d) { (_, d) }";
    let f = function(text);
    assert_eq!(f.doc.as_ref().unwrap().text, "First.\n Second");
    assert_eq!(f.params.iter().map(|p| p.constant).collect::<Vec<_>>(), [true, false, false, false, false]);
    let types: Vec<&str> = f.params.iter().map(|param| type_name(&param.ty)).collect();
    assert_eq!(types, ["Tensor", "AnyModel", "Model", "Fn", "Tensor"]);
    assert_eq!(f.grad.unwrap().seed.name, "d");
    let quoted = |span: ast::Ident| &text[span.span.start as usize..span.span.end as usize];
    assert_eq!(quoted(f.name), "step");
    assert!(text[f.header.start as usize..f.header.end as usize].ends_with("State(M))"));
    assert_eq!(f.span.end as usize, text.len());
}

#[test]
fn items_keep_their_parts() {
    let text = "use nn::{a, b,}\nuse optim\nconst N = arg(1, 2)\n\
                input x: fix[N, 1] from party 0, scale = 1/256, one_hot, range = 0..1\ninput w: Net from shares\n\
                /// Doc.\nmodel Net(n, m) {\n    /// Field.\n    w: fix[n] = zeros()\n    buffer buffer: fix\n}\ntest \"t\" {}";
    let items = items(text);
    let Item::Use(first) = &items[0] else { panic!() };
    assert_eq!((first.path.last().name.as_str(), first.names.as_ref().unwrap().len()), ("nn", 2));
    let Item::Use(second) = &items[1] else { panic!() };
    assert_eq!(second.names, None);
    let Item::Input(input) = &items[3] else { panic!() };
    let options: Vec<bool> = input.options.iter().map(|option| option.value.is_some()).collect();
    assert_eq!(options, [true, false, true]);
    let Item::Model(model) = &items[5] else { panic!() };
    assert_eq!(model.params.len(), 2);
    assert_eq!(model.doc.as_ref().unwrap().text, "Doc.");
    assert_eq!(model.fields[0].doc.as_ref().unwrap().text, "Field.");
    let fields: Vec<_> = model.fields.iter().map(|field| (field.buffer, field.name.name.as_str())).collect();
    assert_eq!(fields, [(false, "w"), (true, "buffer")]);
    assert!(matches!(&items[6], Item::Test(test) if test.name.value == "t"));
}

#[test]
fn spans_cover_what_they_name() {
    let text = "fn main() {\n    (a + b) * f(x)[0].y\n}";
    let value = function(text).body.value.unwrap();
    let at = |span: tern_compiler::diagnostics::Span| &text[span.start as usize..span.end as usize];
    assert_eq!(at(value.span), "(a + b) * f(x)[0].y");
    let ExprKind::Binary { op, left, right } = &value.kind else { panic!() };
    assert_eq!((at(op.span), at(left.span), at(right.span)), ("*", "(a + b)", "f(x)[0].y"));
}
