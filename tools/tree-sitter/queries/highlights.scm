; Later patterns win over earlier ones in tree-sitter's own highlighter and in Neovim, so the general ones come first.

(identifier) @variable

((identifier) @constant
  (#match? @constant "^[A-Z][A-Z0-9_]*$"))

(path (identifier) @module (identifier) @variable)

; ---- items

(const name: (identifier) @constant)
(input name: (identifier) @variable)
(input_option name: (identifier) @attribute)
(model name: (identifier) @type)
(field_declaration name: (identifier) @property)
(function name: (identifier) @function)
(parameter name: (identifier) @variable.parameter)
(grad_clause seed: (identifier) @variable.parameter)
(use module: (identifier) @module)
(client name: (identifier) @variable)

; ---- types

(element) @type.builtin
(fix "fix" @type.builtin)
(model_type name: (path (identifier) @type .))
(any_model name: (identifier) @type)
(function_type) @type.builtin
(stage) @keyword.modifier

; ---- expressions

(field name: (identifier) @property)
(call function: (path (identifier) @function.call .))
((call function: (path (identifier) @constructor .))
  (#match? @constructor "^[A-Z][a-z]"))
((call function: (path (identifier) @function.builtin .))
  (#any-of? @function.builtin "grad" "secret" "reveal"))
(argument name: (identifier) @variable.parameter)
(number) @number
(string) @string
(boolean) @boolean
(hole) @variable.builtin

; ---- words and signs

["use" "const" "input" "model" "fn" "test" "let" "var" "output" "party" "client" "from" "to" "buffer" "grad"] @keyword
(shares) @keyword
["for" "unroll" "in" "by" (break)] @keyword.repeat
["if" "else"] @keyword.conditional
"return" @keyword.return
["assert" "require"] @keyword

["+" "-" "*" "/" "%" "@" "**" "==" "!=" "<" "<=" ">" ">=" "<<" ">>" "&" "|" "^" "!" "=" "+=" "-=" "*=" "/=" "->" ".."] @operator
(whole_axis) @operator
(ellipsis) @operator
["(" ")" "[" "]" "{" "}"] @punctuation.bracket
["," ":" "::" "."] @punctuation.delimiter

(comment) @comment
(doc_comment) @comment.documentation
