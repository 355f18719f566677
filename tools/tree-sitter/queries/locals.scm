[(block) (function) (for) (comprehension) (model)] @local.scope

(parameter name: (identifier) @local.definition)
(binding pattern: (identifier) @local.definition)
(tuple_pattern (identifier) @local.definition)
(for pattern: (identifier) @local.definition)
(comprehension name: (identifier) @local.definition)
(grad_clause seed: (identifier) @local.definition)
(model parameter: (identifier) @local.definition)

(path . (identifier) @local.reference .)
