/// The grammar of tern for tree-sitter. It follows compiler/src/syntax/grammar.lalrpop rule by rule; what that file's layout does with lines
/// is done here by what may follow: a newline ends a statement where a statement can end, and is blank anywhere else.
/// <reference types="tree-sitter-cli/dsl" />

const PREC = {
  or: 1,
  xor: 2,
  and: 3,
  comparison: 4,
  shift: 5,
  sum: 6,
  product: 7,
  unary: 8,
  power: 9,
  postfix: 10,
};

// Words that mean something in one place only are names everywhere else.
const NAMES_ELSEWHERE = [
  "buffer", "client", "from", "input", "model", "output", "party", "shares", "test", "to",
];

// It comes before comments, which would take it for a blank before them.
const newline = token(prec(2, "\n"));
const comma1 = (rule) => seq(rule, repeat(seq(",", rule)), optional(","));
const comma = (rule) => optional(comma1(rule));
const comma2 = (rule) => seq(rule, ",", comma1(rule));
const lines = (rule) => optional(seq(rule, repeat(seq(newline, rule)), optional(newline)));
const field_end = choice(newline, seq(",", optional(newline)));
const infix = (level, left, operator, right) =>
  prec.left(level, seq(field("left", left), field("operator", operator), field("right", right)));

module.exports = grammar({
  name: "tern",

  extras: ($) => [/\s/, "\uFEFF", $.doc_comment, $.comment],

  word: ($) => $.identifier,

  inline: ($) => [$._name],

  conflicts: ($) => [
    [$.if_expression], // a newline before `else`
    [$.function], // a newline before `grad`
  ],

  rules: {
    source_file: ($) => lines($._item),

    // ---- items

    _item: ($) => choice($.use, $.const, $.input, $.model, $.function, $.test),

    use: ($) =>
      seq(
        "use",
        field("module", $._name),
        repeat(seq("::", field("name", $._name))),
        optional(seq("::", "{", comma1(field("name", $.identifier)), "}")),
      ),

    const: ($) => seq("const", field("name", $.identifier), "=", field("value", $._expression)),

    input: ($) =>
      seq(
        "input",
        field("name", $.identifier),
        ":",
        field("type", $._type),
        "from",
        field("from", $._place),
        repeat(seq(",", $.input_option)),
      ),

    input_option: ($) =>
      seq(field("name", $.identifier), optional(seq("=", field("value", choice($._expression, $.range))))),

    _place: ($) => choice($.party, $.shares, $.client),
    party: ($) => seq("party", field("number", $._expression)),
    shares: (_) => "shares",
    client: ($) => seq("client", field("name", $.identifier)),

    model: ($) =>
      seq(
        "model",
        field("name", $.identifier),
        optional(seq("(", comma1(field("parameter", $.identifier)), ")")),
        "{",
        optional(seq($.field_declaration, repeat(seq(field_end, $.field_declaration)), optional(field_end))),
        "}",
      ),

    field_declaration: ($) =>
      seq(
        optional("buffer"),
        field("name", $._name),
        ":",
        field("type", $._type),
        optional(seq("=", field("default", $._expression))),
      ),

    function: ($) =>
      seq(
        "fn",
        field("name", $.identifier),
        "(",
        comma($.parameter),
        ")",
        optional(seq("->", field("result", $._type))),
        field("body", $.block),
        optional(seq(optional(newline), $.grad_clause)),
      ),

    parameter: ($) =>
      seq(
        optional("const"),
        field("name", $._name),
        ":",
        field("type", choice($._type, $.any_model, $.function_type)),
        optional(seq("=", field("default", $._expression))),
      ),

    grad_clause: ($) => seq("grad", "(", field("seed", $.identifier), ")", field("body", $.block)),

    test: ($) => seq("test", field("name", $.string), field("body", $.block)),

    // ---- types

    _type: ($) => choice($.tensor_type, $.model_type, $.tuple_type),

    tensor_type: ($) =>
      seq(optional($.stage), field("element", $._element), optional(seq("[", comma($._dimension), "]"))),

    model_type: ($) =>
      seq(optional($.stage), field("name", $.path), optional(seq("(", comma1($._expression), ")"))),

    tuple_type: ($) => seq("(", comma2($._type), ")"),

    any_model: ($) => seq("model", field("name", $.identifier)),
    function_type: (_) => "fn",

    stage: (_) => choice("public", "secret"),

    _element: ($) => choice($._number_element, alias(choice("num", "str"), $.element)),
    _number_element: ($) => choice($.fix, alias(choice("int", "bool"), $.element)),
    fix: ($) => seq("fix", optional(seq("<", field("precision", $._atom), ">"))),

    _dimension: ($) => choice($._expression, $.spread),
    spread: ($) => seq("..", $.identifier),

    // ---- statements

    block: ($) => seq("{", lines($._statement), "}"),

    _statement: ($) =>
      choice(
        $.binding,
        $.assignment,
        $._expression,
        $.for,
        $.break,
        $.output,
        $.return,
        $.assert,
        $.require,
      ),

    binding: ($) =>
      seq(
        choice("let", "var", "const"),
        field("pattern", $._pattern),
        optional(seq(":", field("type", $._type))),
        "=",
        field("value", $._expression),
      ),

    assignment: ($) =>
      seq(
        field("target", $._expression),
        field("operator", choice("=", "+=", "-=", "*=", "/=")),
        field("value", $._expression),
      ),

    for: ($) =>
      seq(
        optional("unroll"),
        "for",
        field("pattern", $._pattern),
        "in",
        field("through", choice($._expression, $.range)),
        field("body", $.block),
      ),

    break: (_) => "break",

    output: ($) =>
      seq(
        "output",
        comma1(field("name", $._result_name)),
        optional(seq("=", field("value", $._expression), repeat(seq(",", $.result)))),
        "to",
        field("to", $._place),
      ),

    result: ($) => seq(field("name", $._result_name), "=", field("value", $._expression)),

    return: ($) => seq("return", $._expression),

    assert: ($) => seq("assert", $._expression, optional(seq(",", field("message", $.string)))),

    require: ($) =>
      seq(
        "require",
        $._expression,
        optional(seq("in", $.range)),
        optional(seq(",", field("message", $.string))),
      ),

    _pattern: ($) => choice($._name, $.tuple_pattern, $.hole),
    tuple_pattern: ($) => seq("(", comma2($._pattern), ")"),
    hole: (_) => "_",

    // ---- ranges

    range: ($) =>
      choice(
        seq($._ends, optional(seq("by", field("step", $._expression)))),
        seq("..", "by", field("step", $._expression)),
      ),

    _ends: ($) =>
      choice(
        seq(field("start", $._expression), ".."),
        seq(field("start", $._expression), "..", field("end", $._expression)),
        seq(field("start", $._expression), "..", "+", field("length", $._expression)),
        seq("..", field("end", $._expression)),
      ),

    // ---- expressions

    _expression: ($) =>
      choice(
        $.binary,
        $.unary,
        $.field,
        $.call,
        $.index,
        $.tuple,
        $.list,
        $.comprehension,
        $.conversion,
        $.if_expression,
        $._atom,
      ),

    binary: ($) => {
      const any = $._expression;
      return choice(
        infix(PREC.or, any, "|", any),
        infix(PREC.xor, any, "^", any),
        infix(PREC.and, any, "&", any),
        infix(PREC.comparison, any, choice("==", "!=", "<", "<=", ">", ">="), any),
        infix(PREC.shift, any, choice("<<", ">>"), any),
        infix(PREC.sum, any, choice("+", "-"), any),
        infix(PREC.product, any, choice("*", "/", "%", "@"), any),
        prec.right(PREC.power, seq(field("left", any), field("operator", "**"), field("right", any))),
      );
    },

    unary: ($) => prec(PREC.unary, seq(field("operator", choice("-", "!")), field("operand", $._expression))),

    field: ($) => prec(PREC.postfix, seq(field("base", $._expression), ".", field("name", $._name))),

    call: ($) => prec(PREC.postfix, seq(field("function", $._expression), "(", comma($.argument), ")")),

    argument: ($) =>
      seq(
        optional(seq(field("name", choice($._name, alias("by", $.identifier))), "=")),
        field("value", $._expression),
      ),

    index: ($) => prec(PREC.postfix, seq(field("base", $._expression), "[", comma1($._subscript), "]")),

    _subscript: ($) => choice($._expression, $.range, $.whole_axis, $.ellipsis),
    whole_axis: (_) => "..",
    ellipsis: (_) => "...",

    tuple: ($) => seq("(", comma2($._expression), ")"),
    list: ($) => seq("[", comma($._dimension), "]"),
    comprehension: ($) =>
      seq(
        "[",
        field("body", $._expression),
        "for",
        field("name", $._name),
        "in",
        field("through", choice($._expression, $.range)),
        "]",
      ),
    conversion: ($) => seq(field("element", $._number_element), "(", field("value", $._expression), ")"),

    if_expression: ($) =>
      seq(
        "if",
        field("condition", $._expression),
        field("then", $.block),
        optional(seq(optional(newline), "else", field("else", choice($.block, $.if_expression)))),
      ),

    _atom: ($) => choice($.number, $.string, $.boolean, $.hole, $.path, alias($._builtin, $.path), $.parenthesised),
    parenthesised: ($) => seq("(", $._expression, ")"),

    path: ($) => prec.left(seq($._name, repeat(seq("::", $._name)))),

    // Words that are functions as well.
    _builtin: ($) => alias(choice("grad", "secret"), $.identifier),

    // ---- words

    _name: ($) => choice($.identifier, ...NAMES_ELSEWHERE.map((word) => alias(word, $.identifier))),

    _result_name: ($) =>
      choice($.identifier, ...NAMES_ELSEWHERE.filter((word) => word !== "to").map((word) => alias(word, $.identifier))),

    identifier: (_) => /[A-Za-z][A-Za-z0-9_]*|_[A-Za-z0-9_]+/,
    number: (_) => /[0-9][0-9_]*(\.[0-9]+)?([eE][-+]?[0-9]+)?/,
    string: (_) => /"[^"\n]*"/,
    boolean: (_) => choice("true", "false"),

    doc_comment: (_) => token(prec(1, /\/\/\/[^\n]*/)),
    comment: (_) => token(/\/\/[^\n]*/),
  },
});
