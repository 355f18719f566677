//! The syntax tree of a file: what was written, with places, and nothing that was worked out.
//!
//! Three things hold for every tree that the parser returns, so the stages behind it need not check them again:
//! - its height is at most [`MAX_HEIGHT`](super::MAX_HEIGHT), so recursion over it is safe;
//! - the target of an assignment is a name, a field, an index, `_`, or a tuple of these;
//! - a number's digits and exponent are few enough to compute with.
//!
//! What could not be parsed is an `Error` item or statement, and was reported; of a model's fields it is left out.

use super::number::Number;
use crate::diagnostics::{FileId, Span};

/// One `.mpc` file.
#[derive(Debug, Clone, PartialEq)]
pub struct File {
    /// The file's number in the source map.
    pub file: FileId,
    /// In the order of the text.
    pub items: Vec<Item>,
}

/// A name where it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Ident {
    /// The name.
    pub name: String,
    /// Where it stands.
    pub span: Span,
}

impl Ident {
    /// The name at this place.
    pub fn new(name: Spanned<&str>) -> Ident {
        Ident { name: name.node.to_string(), span: name.span }
    }
}

/// A quoted text where it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Text {
    /// What is between the quotes.
    pub value: String,
    /// With the quotes.
    pub span: Span,
}

impl Text {
    /// The text at this place.
    pub fn new(text: Spanned<&str>) -> Text {
        Text { value: text.node.to_string(), span: text.span }
    }
}

/// `relu`, `optim::start`.
#[derive(Debug, Clone, PartialEq)]
pub struct Path {
    /// At least one.
    pub segments: Vec<Ident>,
    /// From the first to the last segment.
    pub span: Span,
}

impl Path {
    /// A path of at least one segment.
    pub fn new(segments: Vec<Ident>) -> Path {
        let span = segments[0].span.to(segments[segments.len() - 1].span);
        Path { segments, span }
    }

    /// The name itself, without the modules before it.
    pub fn last(&self) -> &Ident {
        &self.segments[self.segments.len() - 1] // a path has at least one segment
    }

    /// The name, if no module stands before it.
    pub fn as_ident(&self) -> Option<&Ident> {
        match self.segments.as_slice() {
            [name] => Some(name),
            _ => None,
        }
    }
}

// ---- items

/// What stands at the top level of a file.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// `use nn::{dense, relu}`
    Use(Use),
    /// `const BATCH = arg(128)`
    Const(Const),
    /// `input x: fix[N, 784] from party 0, scale = 1/256`
    Input(Input),
    /// `model Net { … }`
    Model(Model),
    /// `fn dense(…) -> … { … } grad(d) { … }`
    Fn(Function),
    /// `test "relu" { … }`
    Test(Test),
    /// Something that could not be parsed. Any name may have been declared there.
    Error(Span),
}

impl Item {
    /// The whole item.
    pub fn span(&self) -> Span {
        match self {
            Item::Use(item) => item.span,
            Item::Const(item) => item.span,
            Item::Input(item) => item.span,
            Item::Model(item) => item.span,
            Item::Fn(item) => item.span,
            Item::Test(item) => item.span,
            Item::Error(span) => *span,
        }
    }
}

/// `use optim`, `use math::sqrt`, `use nn::{dense, relu}`.
#[derive(Debug, Clone, PartialEq)]
pub struct Use {
    /// A module, or with [`names`](Use::names) absent possibly a name of a module.
    pub path: Path,
    /// What is between the braces, if there are any.
    pub names: Option<Vec<Ident>>,
    /// The whole item.
    pub span: Span,
}

/// `const NAME = value`. A program argument is one whose value is a call of `arg`.
#[derive(Debug, Clone, PartialEq)]
pub struct Const {
    /// The `///` lines before it.
    pub doc: Option<Doc>,
    /// The name.
    pub name: Ident,
    /// The value.
    pub value: Expr,
    /// The whole item.
    pub span: Span,
}

/// `input name: ty from place, option, option = value`.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// The `///` lines before it.
    pub doc: Option<Doc>,
    /// The name.
    pub name: Ident,
    /// Element and shape as the program sees them.
    pub ty: Type,
    /// Who has it.
    pub from: Place,
    /// What its owner does with it before sharing.
    pub options: Vec<InputOption>,
    /// The whole item.
    pub span: Span,
}

/// `one_hot`, `scale = 1/256`, `range = 0..1`.
#[derive(Debug, Clone, PartialEq)]
pub struct InputOption {
    /// The option's name.
    pub name: Ident,
    /// What stands behind `=`, if anything.
    pub value: Option<ExprOrRange>,
    /// The whole option.
    pub span: Span,
}

/// Who gives a value or receives it.
#[derive(Debug, Clone, PartialEq)]
pub enum Place {
    /// `party 0`
    Party {
        /// The party's number.
        number: Expr,
        /// With the word.
        span: Span,
    },
    /// `shares`: every server keeps or has its share.
    Shares(Span),
    /// `client hospital`: somebody who runs none of the servers.
    Client {
        /// What the hosts file calls it.
        name: Ident,
        /// With the word.
        span: Span,
    },
}

impl Place {
    /// Where it stands.
    pub fn span(&self) -> Span {
        match self {
            Place::Party { span, .. } | Place::Shares(span) | Place::Client { span, .. } => *span,
        }
    }
}

/// `model Dense(inputs, outputs) { weight: … = …, bias: … }`.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// The `///` lines before it.
    pub doc: Option<Doc>,
    /// The name.
    pub name: Ident,
    /// Sizes and models that it takes.
    pub params: Vec<Ident>,
    /// Tensors, numbers and further models.
    pub fields: Vec<Field>,
    /// The whole item.
    pub span: Span,
}

/// A field of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// The `///` lines before it.
    pub doc: Option<Doc>,
    /// Saved, but not differentiated.
    pub buffer: bool,
    /// The name.
    pub name: Ident,
    /// Tensor, number or model.
    pub ty: Type,
    /// The initial value.
    pub default: Option<Expr>,
    /// The whole field.
    pub span: Span,
}

/// A function with, possibly, its own rule of differentiation.
#[derive(Debug, Clone, PartialEq)]
pub struct Function {
    /// The `///` lines before it.
    pub doc: Option<Doc>,
    /// The name.
    pub name: Ident,
    /// In order.
    pub params: Vec<Param>,
    /// What is behind `->`, if it returns something.
    pub result: Option<Type>,
    /// The body; its last expression is the result.
    pub body: Block,
    /// `grad(d) { … }`
    pub grad: Option<GradClause>,
    /// From `fn` to before the body, for notes that quote the signature.
    pub header: Span,
    /// The whole item.
    pub span: Span,
}

/// `const stride: int = 1`.
#[derive(Debug, Clone, PartialEq)]
pub struct Param {
    /// Whether it is marked `const`. (`public` and `secret` are part of the type.)
    pub constant: bool,
    /// The name.
    pub name: Ident,
    /// May also be [`TypeKind::AnyModel`] or [`TypeKind::Fn`], which stand nowhere else.
    pub ty: Type,
    /// Its value when the call gives none.
    pub default: Option<Expr>,
    /// The whole parameter.
    pub span: Span,
}

/// The derivative of a function, as the function itself gives it. It sees the body's variables.
#[derive(Debug, Clone, PartialEq)]
pub struct GradClause {
    /// The name of the derivative by the result.
    pub seed: Ident,
    /// Its value is the derivative by the parameter, or a tuple of those, with `_` for none.
    pub body: Block,
    /// The whole clause.
    pub span: Span,
}

/// `test "relu" { … }`.
#[derive(Debug, Clone, PartialEq)]
pub struct Test {
    /// The `///` lines before it.
    pub doc: Option<Doc>,
    /// What is tested.
    pub name: Text,
    /// Statements, among them `assert`.
    pub body: Block,
    /// The whole item.
    pub span: Span,
}

/// The `///` lines before an item or field.
#[derive(Debug, Clone, PartialEq)]
pub struct Doc {
    /// Joined by newlines, each without `///` and one space behind it.
    pub text: String,
    /// From the first line's `///` to the last line's end.
    pub span: Span,
}

// ---- types

/// A type where it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Type {
    /// What it is.
    pub kind: TypeKind,
    /// Where it stands.
    pub span: Span,
}

impl Type {
    /// The type at this place.
    pub fn new(kind: Spanned<TypeKind>) -> Type {
        Type { kind: kind.node, span: kind.span }
    }
}

/// What a type is.
#[derive(Debug, Clone, PartialEq)]
pub enum TypeKind {
    /// `fix[b, 10]`, `public int`. A scalar has no dimensions.
    Tensor {
        /// `public` or `secret`, if one is demanded.
        stage: Option<Stage>,
        /// The element.
        elem: Elem,
        /// The dimensions.
        shape: Vec<Dim>,
    },
    /// `Net`, `Dense(784, 128)`, `State(M)`.
    Model {
        /// `public` or `secret`, if one is demanded.
        stage: Option<Stage>,
        /// The model's name.
        path: Path,
        /// Sizes, models, or size variables that are bound here.
        args: Vec<Expr>,
    },
    /// `(fix[c], fix[c])`: at least two.
    Tuple(Vec<Type>),
    /// `model M`: any model, named here. Of parameters only.
    AnyModel(Ident),
    /// `fn`: a function by its name. Of parameters only.
    Fn,
}

/// A mark in a type that demands or limits secrecy. (`const` is a mark of parameters.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Known to every party.
    Public,
    /// Known to none.
    Secret,
}

/// What a tensor is made of.
#[derive(Debug, Clone, PartialEq)]
pub enum Elem {
    /// `fix` has the program's precision, `fix<f>` has f fraction bits.
    Fix(Option<Box<Expr>>),
    /// Whole numbers.
    Int,
    /// Bits.
    Bool,
    /// `fix` or `int`.
    Num,
    /// Texts, which are always constants.
    Str,
}

/// A dimension of a type, or an element of a list.
#[derive(Debug, Clone, PartialEq)]
pub enum Dim {
    /// One axis or element.
    One(Expr),
    /// `..s`: any number of them.
    Spread(Ident),
}

// ---- statements

/// `{ … }`.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// All but the value.
    pub stmts: Vec<Stmt>,
    /// The last statement, if it is an expression: the block's value, or done for its effect like the others.
    pub value: Option<Box<Expr>>,
    /// With the braces.
    pub span: Span,
}

impl Block {
    /// A block of these statements; an expression that comes last becomes the value.
    pub fn new(mut stmts: Vec<Stmt>, span: Span) -> Block {
        let value = match stmts.pop() {
            Some(Stmt { kind: StmtKind::Expr(expr), .. }) => Some(Box::new(expr)),
            Some(other) => {
                stmts.push(other);
                None
            }
            None => None,
        };
        Block { stmts, value, span }
    }

    /// What stands behind `else` in `else if`.
    pub fn of_if(next: Spanned<If>) -> Block {
        let value = Expr { kind: ExprKind::If(Box::new(next.node)), span: next.span };
        Block { stmts: Vec::new(), value: Some(Box::new(value)), span: next.span }
    }
}

/// A statement where it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Stmt {
    /// What it is.
    pub kind: StmtKind,
    /// Where it stands.
    pub span: Span,
}

impl Stmt {
    /// The statement at this place.
    pub fn new(kind: Spanned<StmtKind>) -> Stmt {
        Stmt { kind: kind.node, span: kind.span }
    }
}

/// What a statement is.
#[derive(Debug, Clone, PartialEq)]
pub enum StmtKind {
    /// `let x: ty = value`: a name that never changes.
    Let(Binding),
    /// `var x: ty = value`: a name that may be assigned.
    Var(Binding),
    /// `const x: ty = value`: a name of what is known now.
    Const(Binding),
    /// `target = value`
    Assign {
        /// A name, a field, an index, `_`, or a tuple of these.
        target: Expr,
        /// What it becomes.
        value: Expr,
    },
    /// `target += value`
    Augment {
        /// A name, a field or an index.
        target: Expr,
        /// What is applied to the target and the value, and where it stands.
        op: Spanned<BinaryOp>,
        /// The right operand.
        value: Expr,
    },
    /// An expression for its effect.
    Expr(Expr),
    /// `for x in xs { … }`, `unroll for w in fields(p) { … }`
    For(For),
    /// `break`
    Break,
    /// `return value`
    Return(Expr),
    /// `output a = value, b, c = pair to place`
    Output {
        /// What is given.
        results: Vec<Results>,
        /// Who receives it.
        to: Place,
    },
    /// `assert condition, "message"`
    Assert {
        /// What must hold when the test runs.
        condition: Expr,
        /// Shown when it does not.
        message: Option<Text>,
    },
    /// `require condition, "message"`, `require value in range`
    Require {
        /// A condition, or the value that lies in the range.
        value: Expr,
        /// Where it must lie.
        range: Option<Range>,
        /// Shown when it does not.
        message: Option<Text>,
    },
    /// Something that could not be parsed.
    Error,
}

/// `a = value`, `a, b = pair` in an output.
#[derive(Debug, Clone, PartialEq)]
pub struct Results {
    /// What the receiver's files call them; several take a tuple apart.
    pub names: Vec<Ident>,
    /// The value; without one, those of the variables of these names.
    pub value: Option<Expr>,
}

/// The right side of `let`, `var` and `const`.
#[derive(Debug, Clone, PartialEq)]
pub struct Binding {
    /// The names.
    pub pattern: Pattern,
    /// Their type, if it is written.
    pub ty: Option<Type>,
    /// Their value.
    pub value: Expr,
}

/// A loop.
#[derive(Debug, Clone, PartialEq)]
pub struct For {
    /// Expanded by the compiler rather than run as a loop.
    pub unroll: bool,
    /// The names of the current element.
    pub pattern: Pattern,
    /// What is gone through.
    pub iter: ExprOrRange,
    /// What is repeated.
    pub body: Block,
}

/// Names that a value is taken apart into.
#[derive(Debug, Clone, PartialEq)]
pub enum Pattern {
    /// `x`
    Name(Ident),
    /// `(x, y)`: at least two.
    Tuple(Vec<Pattern>, Span),
    /// `_`
    Hole(Span),
}

impl Pattern {
    /// Where it stands.
    pub fn span(&self) -> Span {
        match self {
            Pattern::Name(ident) => ident.span,
            Pattern::Tuple(_, span) | Pattern::Hole(span) => *span,
        }
    }
}

// ---- expressions

/// A small thing and where it stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spanned<T> {
    /// The thing.
    pub node: T,
    /// Where it stands.
    pub span: Span,
}

/// An expression where it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where it stands, with any parentheses around it.
    pub span: Span,
}

impl Expr {
    /// The expression at this place.
    pub fn new(kind: Spanned<ExprKind>) -> Expr {
        Expr { kind: kind.node, span: kind.span }
    }

    /// `op operand`
    pub fn unary(op: Spanned<UnaryOp>, operand: Expr) -> Expr {
        let span = op.span.to(operand.span);
        Expr { kind: ExprKind::Unary { op, operand: Box::new(operand) }, span }
    }

    /// `left op right`
    pub fn binary(left: Expr, op: Spanned<BinaryOp>, right: Expr) -> Expr {
        let span = left.span.to(right.span);
        Expr { kind: ExprKind::Binary { op, left: Box::new(left), right: Box::new(right) }, span }
    }
}

/// What an expression is.
#[derive(Debug, Clone, PartialEq)]
pub enum ExprKind {
    /// `1/256` has two of them.
    Number(Number),
    /// `"adam"`
    Text(String),
    /// `true`, `false`
    Bool(bool),
    /// `_`: nothing, where a rule gives no derivative or an assignment drops a value.
    Hole,
    /// A variable, constant, function, model or module's name. `grad` and `secret` are names as well.
    Path(Path),
    /// `-x`, `!b`
    Unary {
        /// What is done, and where it stands.
        op: Spanned<UnaryOp>,
        /// With what.
        operand: Box<Expr>,
    },
    /// `x + y`, `x @ w`, `x >= 0`
    Binary {
        /// What is done, and where it stands.
        op: Spanned<BinaryOp>,
        /// The left operand.
        left: Box<Expr>,
        /// The right operand.
        right: Box<Expr>,
    },
    /// `f(x, axis=-1)`, `Net()`, `arg(15)`, `grad(loss, p)`, `secret(x)`
    Call {
        /// Mostly a [`ExprKind::Path`].
        callee: Box<Expr>,
        /// In order.
        args: Vec<Arg>,
    },
    /// `fix(b)`, `int(b)`, `bool(x)`, `fix<g>(x)`
    Convert {
        /// `Fix`, `Int` or `Bool`.
        elem: Elem,
        /// What is converted.
        value: Box<Expr>,
    },
    /// `x[rows]`, `x[..., 0..half]`
    Index {
        /// What is indexed.
        base: Box<Expr>,
        /// At least one.
        subs: Vec<Sub>,
    },
    /// `p.weight`
    Field {
        /// A model.
        base: Box<Expr>,
        /// Its field.
        name: Ident,
    },
    /// `(p, s)`: at least two.
    Tuple(Vec<Expr>),
    /// `[b, ..s]`
    List(Vec<Dim>),
    /// `[2 ** j for j in 0..n]`, `[q / 2 for q in [1, 3, 4]]`
    Comprehension {
        /// The element.
        body: Box<Expr>,
        /// What it depends on.
        name: Ident,
        /// The values of that.
        iter: Box<ExprOrRange>,
    },
    /// `if c { a } else { b }`
    If(Box<If>),
}

impl ExprKind {
    /// `[body for name in iter]`
    pub fn comprehension(body: Expr, name: Ident, iter: ExprOrRange) -> ExprKind {
        ExprKind::Comprehension { body: Box::new(body), name, iter: Box::new(iter) }
    }
}

/// `if c { … } else { … }`, as a statement or for its value.
#[derive(Debug, Clone, PartialEq)]
pub struct If {
    /// What decides.
    pub condition: Expr,
    /// What is done if it holds.
    pub then: Block,
    /// What is done otherwise. For `else if`, a block whose value is the next `if`.
    pub otherwise: Option<Block>,
}

/// An argument of a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Arg {
    /// The parameter's name, if it is written.
    pub name: Option<Ident>,
    /// The value.
    pub value: Expr,
}

impl Arg {
    /// Where it stands, with its name.
    pub fn span(&self) -> Span {
        self.name.as_ref().map_or(self.value.span, |name| name.span.to(self.value.span))
    }
}

/// One axis of an index.
#[derive(Debug, Clone, PartialEq)]
pub enum Sub {
    /// A number, which removes the axis, or a tensor of numbers, which gathers along it.
    At(Expr),
    /// `a..b`, `a..`, `..b`, `a .. +n`, `.. by k`
    Range(Range),
    /// `..`: the whole axis.
    Full(Span),
    /// `...`: all axes that are not mentioned.
    Ellipsis(Span),
}

impl Sub {
    /// Where it stands.
    pub fn span(&self) -> Span {
        match self {
            Sub::At(expr) => expr.span,
            Sub::Range(range) => range.span,
            Sub::Full(span) | Sub::Ellipsis(span) => *span,
        }
    }
}

/// `a..b`, `a..`, `..b`, `a .. +n`, each also with `by k`; both ends are open only in `.. by k`.
#[derive(Debug, Clone, PartialEq)]
pub struct Range {
    /// The first element; from the beginning if absent.
    pub start: Option<Expr>,
    /// Where it ends.
    pub end: RangeEnd,
    /// `by 2`: how far one is from the next; 1 if absent.
    pub step: Option<Expr>,
    /// Where it stands.
    pub span: Span,
}

impl Range {
    /// The range with these ends and this step.
    pub fn new(ends: Spanned<(Option<Expr>, RangeEnd)>, step: Option<Expr>) -> Range {
        let (start, end) = ends.node;
        Range { start, end, step, span: ends.span }
    }
}

/// Where a range ends.
#[derive(Debug, Clone, PartialEq)]
pub enum RangeEnd {
    /// With the last element there is.
    Open,
    /// Before this element. (In `require x in a..b` and `range = a..b`, with it.)
    Before(Expr),
    /// After so many elements.
    Length(Expr),
}

/// Where either may stand: loops and options of inputs.
#[derive(Debug, Clone, PartialEq)]
pub enum ExprOrRange {
    /// A value.
    Expr(Expr),
    /// A range.
    Range(Range),
}

impl ExprOrRange {
    /// Where it stands.
    pub fn span(&self) -> Span {
        match self {
            ExprOrRange::Expr(expr) => expr.span,
            ExprOrRange::Range(range) => range.span,
        }
    }
}

/// An operator before its operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnaryOp {
    /// `-`
    Neg,
    /// `!`
    Not,
}

impl UnaryOp {
    /// As it is written.
    pub fn symbol(self) -> &'static str {
        match self {
            UnaryOp::Neg => "-",
            UnaryOp::Not => "!",
        }
    }
}

/// An operator between its operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BinaryOp {
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`
    Div,
    /// `%`: what is left of a division, with the sign of the divisor.
    Rem,
    /// `@`: a product of matrices.
    MatMul,
    /// `**`
    Pow,
    /// `==`
    Eq,
    /// `!=`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
    /// `&`
    And,
    /// `|`
    Or,
    /// `^`
    Xor,
    /// `<<`
    Shl,
    /// `>>`
    Shr,
}

impl BinaryOp {
    /// As it is written.
    pub fn symbol(self) -> &'static str {
        match self {
            BinaryOp::Add => "+",
            BinaryOp::Sub => "-",
            BinaryOp::Mul => "*",
            BinaryOp::Div => "/",
            BinaryOp::Rem => "%",
            BinaryOp::MatMul => "@",
            BinaryOp::Pow => "**",
            BinaryOp::Eq => "==",
            BinaryOp::Ne => "!=",
            BinaryOp::Lt => "<",
            BinaryOp::Le => "<=",
            BinaryOp::Gt => ">",
            BinaryOp::Ge => ">=",
            BinaryOp::And => "&",
            BinaryOp::Or => "|",
            BinaryOp::Xor => "^",
            BinaryOp::Shl => "<<",
            BinaryOp::Shr => ">>",
        }
    }
}
